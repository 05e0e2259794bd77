"""Taking in what happens: rows are checked against the profiles of today, and kept in the log of events."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Self

from colisten.errors import SettingsError
from colisten.listening.events.item_words import ItemWords
from colisten.listening.events.rows import Event, RefusedRow, read_events
from colisten.listening.events.store import EventStore, TextPlace
from colisten.serving.profiles import Profiles
from colisten.serving.query import parsed_features
from colisten.workdir import Workdir


@dataclass(frozen=True)
class TakenIn:
    """What became of some rows."""

    accepted: int
    """Events that are on the disk now and were not before."""
    duplicates: int
    """Events that were there already."""
    unknown_items: int
    """Accepted or not, events on items that are neither in the catalogue nor answered as new: kept for the run that
    knows them."""
    refused: Sequence[RefusedRow] = field(default=())


class EventIntake:
    """An open log of events with the profiles that tell which signals and items are known. For one thread."""

    def __init__(self, workdir: Workdir, store: EventStore, signals: Sequence[str]) -> None:
        self._path = workdir.profiles
        self._store = store
        self._signals = signals
        self._profiles: Profiles | None = None
        self._version: object = None

    @classmethod
    def open(cls, workdir: Workdir, signals: Sequence[str]) -> Self:
        """Open the log of a working folder, which is made where there is none.

        Args:
            workdir: whose.
            signals: those that count (`settings.signals.used`), where no profiles say so yet.

        Raises:
            WorkdirError: the log is damaged.
        """
        return cls(workdir, EventStore.create(workdir.events), signals)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._store.close()
        if self._profiles:
            self._profiles.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is taken in within the block is on the disk when it ends, or nothing of it is kept."""
        self._follow_profiles()
        if self._profiles:
            self._profiles.follow()
        with self._store.transaction():
            yield

    def rows(self, rows: Collection[object]) -> TakenIn:
        """Keep the events among some rows of JSON; within a transaction."""
        events, refused = read_events(rows, self.signals, int(time.time()))
        return self.events(events, refused)

    def events(self, events: Sequence[Event], refused: Sequence[RefusedRow] = ()) -> TakenIn:
        """Keep events that were read elsewhere; within a transaction."""
        accepted = self._store.add(events)
        return TakenIn(accepted, len(events) - accepted, self._unknown(events), refused)

    def user(self, user_id: str, features: Mapping[str, object]) -> dict[str, object]:
        """Keep what is told of a user, in place of what was told before; within a transaction.

        Returns:
            The features as they are read from now on; no feature takes back what was told.

        Raises:
            SettingsError: the users table has no such column, or it holds numbers and the value is none.
        """
        if self._profiles is None:
            raise SettingsError("Nothing was learned about users yet: run `colisten run` first.")
        parsed = parsed_features(features, self._profiles)
        for name, value in parsed.items():
            if isinstance(value, float) and not isfinite(value):
                raise SettingsError(f"{name} is a finite number, not {value}.")
        self._store.put_features(user_id, parsed)
        return parsed

    def item(self, item_id: str, words: ItemWords, place: TextPlace | None = None) -> bool:
        """Keep an item's words for the next run, in place of what was told before; within a transaction.

        Args:
            item_id: whose.
            words: what is told.
            place: of a new item's text, by which it is answered until then; None: it waits.

        Returns:
            Whether the item is new to the catalogue.

        Raises:
            SettingsError: a new item without a type, or a known one with another type.
        """
        known = self._profiles.with_id(item_id) if self._profiles else None
        if known and words.item_type not in (None, known.item_type):
            raise SettingsError(
                f"The item {item_id!r} is of the type {known.item_type!r}: a new type needs a new item_id."
            )
        if not known and not words.item_type:
            raise SettingsError(f"The item {item_id!r} is new: say its item_type.")
        new = known is None or known.retired
        self._store.put_words(item_id, words.told(), place if new else None)
        return new

    @property
    def signals(self) -> Sequence[str]:
        """Those that count: of the profiles, else of the settings."""
        self._follow_profiles()
        return self._profiles.facts.signals if self._profiles else self._signals

    def _unknown(self, events: Sequence[Event]) -> int:
        if not self._profiles:
            return len(events)
        known = self._profiles.known({event.item_id for event in events})
        return sum(event.item_id not in known for event in events)

    def _follow_profiles(self) -> None:
        """Open the profiles anew if a run has replaced them."""
        version = _version(self._path)
        if version == self._version:
            return
        if self._profiles:
            self._profiles.close()
        self._profiles = Profiles.open(self._path) if version else None
        self._version = version


def _version(path: Path) -> object:
    if not path.exists():
        return None
    found = path.stat()
    return found.st_ino, found.st_mtime_ns
