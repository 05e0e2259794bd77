"""User histories and features for serving, and item ids and titles, in one SQLite file that only its owner may read.

Tables of `W/profiles.sqlite`:

- `users`: one row per user: events as blobs (items int32, signals uint8, timestamps int64), features as JSON,
  taste as float32.
- `items`: id ↔ number, type, title and folded title of every item ever seen; `vocabulary`: values that filters may
  name.
- `popular`: the most popular items of each type, overall and by country.
- `holders`: the items of each creator and genre; `availability`: where and when items may be shown.
- `facts`: signals, item types, the type of each feature, the newest timestamp, the last event of `W/events.sqlite`
  that is in the users' histories. Newer ones are read with them.

Read with the standard library and NumPy alone, since every recommendation opens it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from colisten.arrays import Codes, Int32s
from colisten.errors import WorkdirError
from colisten.letters import folded
from colisten.listening.histories import UserHistories
from colisten.ragged import offsets
from colisten.serving.events.recent import RecentEvents
from colisten.serving.rules.availability import Availability
from colisten.sqlite_files import SqliteErrors

LAYOUT = 5
"""Version of the tables: raised whenever they change, so that `colisten run` rewrites the file."""
RETIRED = 255
"""Type code of an item that is no longer in the catalogue."""
_NO_EVENTS = (b"", b"", b"", "{}", None)
_ITEMS = "SELECT item, item_id, item_type, title, retired FROM items WHERE "
"""Columns in the order of the fields of `Item`."""


@dataclass(frozen=True)
class ProfileFacts:
    """Properties of the listening data that the profiles were written from."""

    signals: tuple[str, ...]
    strong: int
    """How many of `signals` are strong: codes below this are."""
    item_types: tuple[str, ...]
    features: Mapping[str, str]
    """Column of the users table → `number` or `text`."""
    latest: int
    """Newest timestamp of the data, seconds; -1 where it has none."""
    events: int = 0
    """`seq` of the last event in `W/events.sqlite` that the data holds; 0 where it holds none."""


@dataclass(frozen=True)
class PopularityRank:
    """An item's rank among those of its type, by distinct users who streamed it."""

    country: str
    """Empty: all countries."""
    rank: int
    """From 1."""
    listeners: int


@dataclass(frozen=True)
class Item:
    """An item by number, id and title."""

    item: int
    item_id: str
    item_type: str
    title: str | None
    retired: bool

    def as_json(self) -> dict[str, str | None]:
        return {"item_id": self.item_id, "item_type": self.item_type, "title": self.title}


class Profiles:
    """An open profile store. Use it as a context manager, or `close` it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._recent = RecentEvents(path.with_name("events.sqlite"), connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open `W/profiles.sqlite`.

        Raises:
            WorkdirError: there is none yet, it is of another version, or damaged.
        """
        if not path.exists():
            raise WorkdirError(f"There are no profiles in {path.parent}: run `colisten run` first.")
        with profile_errors(path).told(), ExitStack() as opening:
            connection = opening.enter_context(closing(sqlite3.connect(path.absolute().as_uri(), uri=True)))
            if connection.execute("PRAGMA user_version").fetchone() != (LAYOUT,):
                raise WorkdirError(f"{path} is of another version of Colisten: run `colisten run` to write it anew.")
            opening.pop_all()
        return cls(path, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @cached_property
    def facts(self) -> ProfileFacts:
        found = {
            key: json.loads(value) for key, value in self._all("SELECT key, value FROM facts WHERE key <> 'types'")
        }
        return ProfileFacts(
            tuple(found["signals"]), found["strong"], tuple(found["item_types"]), found["features"], found["latest"],
            found["events"],
        )  # fmt: skip

    @cached_property
    def type_of(self) -> Codes:
        """Code of each item's type (place in `facts.item_types`) or RETIRED, uint8 [items]."""
        ((blob,),) = self._all("SELECT value FROM facts WHERE key = 'types'")
        return np.frombuffer(blob, np.uint8)

    @cached_property
    def availability(self) -> Availability:
        """Where and when items may be shown."""
        ((items, places, begins, ends, countries),) = self._all("SELECT * FROM availability")
        return Availability(
            np.frombuffer(items, np.int32), np.frombuffer(places, np.int32), np.frombuffer(begins, np.int64),
            np.frombuffer(ends, np.int64), tuple(json.loads(countries)), len(self.type_of),
        )  # fmt: skip

    def read(self, user_ids: Sequence[str]) -> tuple[UserHistories, list[str]]:
        """Histories of the users in the order asked for, and the users of whom nothing is known: theirs are empty.

        What has happened since the profiles were written is part of them, as the next run will read it.
        """
        query = (
            "SELECT user_id, items, signals, timestamps, features, taste FROM users "
            "WHERE user_id IN (SELECT value FROM json_each(:ids))"
        )
        found = {row[0]: row[1:] for row in self._all(query, ids=json.dumps(list(user_ids)))}
        rows = [found.get(user_id, _NO_EVENTS) for user_id in user_ids]
        histories, told = self._recent.joined(self._histories(rows), user_ids, self.facts.signals, self.facts.events)
        return histories, [
            user_id for place, user_id in enumerate(user_ids) if user_id not in found and place not in told
        ]

    def user_ids(self) -> list[str]:
        """Everybody with a profile, in order."""
        return [user_id for (user_id,) in self._all("SELECT user_id FROM users ORDER BY user_id")]

    def items(self, numbers: Sequence[int]) -> dict[int, Item]:
        """Items by number."""
        found = self._items("item IN (SELECT value FROM json_each(:numbers))", numbers=_json(numbers))
        return {item.item: item for item in found}

    def item_ids(self) -> list[str]:
        """All item ids; an item's number is its index."""
        return [item_id for (item_id,) in self._all("SELECT item_id FROM items ORDER BY item")]

    def with_id(self, item_id: str) -> Item | None:
        """The item with this id, retired or not."""
        return next(iter(self._items("item_id = :name", name=item_id)), None)

    def known(self, item_ids: Iterable[str]) -> set[str]:
        """Those of the ids that are in the catalogue of today."""
        query = "SELECT item_id FROM items WHERE NOT retired AND item_id IN (SELECT value FROM json_each(:ids))"
        return {item_id for (item_id,) in self._all(query, ids=json.dumps(list(item_ids)))}

    def find(self, id_or_title: str) -> Item | None:
        """The item with this id, else the most popular one with this title, however that is written."""
        where = "item_id = :name OR folded = :folded ORDER BY item_id = :name DESC, retired, listeners DESC LIMIT 1"
        return next(iter(self._items(where, name=id_or_title, folded=folded(id_or_title))), None)

    def titled(self, part: str, limit: int) -> list[Item]:
        """Items in the catalogue with this in their title, however it is written, most popular first."""
        where = "NOT retired AND instr(folded, :part) ORDER BY listeners DESC, item LIMIT :limit"
        return self._items(where, part=folded(part), limit=limit)

    def titles(self) -> list[str]:
        """Every title, for suggestions."""
        return [
            title for (title,) in self._all("SELECT DISTINCT title FROM items WHERE title IS NOT NULL AND NOT retired")
        ]

    def vocabulary(self, field: str) -> list[str]:
        """Values of `item_type`, `language` or `genres`, most frequent first."""
        query = "SELECT value FROM vocabulary WHERE field = :field ORDER BY items DESC, value"
        return [value for (value,) in self._all(query, field=field)]

    def items_of(self, field: str, values: Sequence[str]) -> Int32s:
        """All items of some creators (`creator`) or genres (`genre`), however their letters are written, or with some
        ids (`item`)."""
        if field == "item":
            query = "SELECT item FROM items WHERE item_id IN (SELECT value FROM json_each(:ids))"
            return np.array([item for (item,) in self._all(query, ids=json.dumps(list(values)))], np.int32)
        query = "SELECT items FROM holders WHERE field = :field AND folded IN (SELECT value FROM json_each(:names))"
        names = json.dumps([folded(value) for value in values])
        blobs = [blob for (blob,) in self._all(query, field=field, names=names)]
        return np.frombuffer(b"".join(blobs), np.int32)

    def names_of(self, field: str) -> list[str]:
        """Every `creator` or `genre`, for suggestions."""
        return [name for (name,) in self._all("SELECT name FROM holders WHERE field = :field", field=field)]

    def popular(self, numbers: Sequence[int], country: str) -> dict[int, PopularityRank]:
        """Ranks, in this country or else overall, of those items that are among the most popular of their type."""
        query = (
            "SELECT item, country, place, listeners FROM popular "
            "WHERE country IN ('', :country) AND item IN (SELECT value FROM json_each(:items)) ORDER BY country"
        )
        found = self._all(query, country=country, items=_json(numbers))
        return {item: PopularityRank(*row) for item, *row in found}

    def _histories(self, rows: Sequence[tuple[Any, ...]]) -> UserHistories:
        features = [json.loads(row[3]) for row in rows]
        columns: dict[str, list[object]] = {name: [f.get(name) for f in features] for name in self.facts.features}
        columns["taste"] = [None if row[4] is None else np.frombuffer(row[4], np.float32).tolist() for row in rows]
        lengths = [len(row[1]) for row in rows]
        return UserHistories(
            offsets(np.array(lengths, np.int64)),
            np.frombuffer(b"".join(row[0] for row in rows), np.int32),
            np.frombuffer(b"".join(row[1] for row in rows), np.uint8),
            np.frombuffer(b"".join(row[2] for row in rows), np.int64),
            columns,
        )

    def _items(self, where: str, **parameters: str | int) -> list[Item]:
        return [Item(*row) for row in self._all(_ITEMS + where, **parameters)]

    def _all(self, query: str, **parameters: str | int) -> list[tuple[Any, ...]]:
        with profile_errors(self._path).told():
            return self._connection.execute(query, parameters).fetchall()


def _json(numbers: Sequence[int]) -> str:
    """As a JSON array; the module refuses NumPy's integers."""
    return json.dumps([int(number) for number in numbers])


def profile_errors(path: Path) -> SqliteErrors:
    """What is said where the profiles at `path` cannot be used."""
    return SqliteErrors(
        path,
        full="No space is left on the disk: free some and run again; the profiles are as they were.",
        todo="run `colisten run` to write it anew.",
    )
