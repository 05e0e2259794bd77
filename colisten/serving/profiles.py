"""User histories and features for serving, and item ids and titles, in one SQLite file that only its owner may read.

Tables of `W/profiles.sqlite`:

- `users`: one row per user: events as blobs (items int32, signals uint8, timestamps int64), features as JSON,
  taste as float32.
- `items`: id ↔ number, type, title and folded title of every item ever seen; `vocabulary`: values that filters may
  name.
- `popular`: the most popular items of each type, overall and by country; `new_releases`: new items of creators who
  are heard.
- `holders`: the items of each creator and genre; `availability`: where and when items may be shown.
- `facts`: signals, item types, the type of each feature, the newest timestamp, the last event of `W/events.sqlite`
  that is in the users' histories. Newer ones are read with them.

Read with NumPy and little else, since every recommendation opens it. New items that were told since (`W/events.sqlite`)
are looked up like those of the catalogue, under numbers behind all of theirs; `follow` looks for further ones.
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

from colisten.arrays import Codes, Int32s, Int64s
from colisten.errors import WorkdirError
from colisten.letters import folded
from colisten.listening.histories import UserHistories
from colisten.ragged import offsets
from colisten.serving.events.attached_log import AttachedLog
from colisten.serving.events.new_items import WHOLE_CATALOGUE, NewItem, NewItemLog, NewItems
from colisten.serving.events.recent import RecentEvents
from colisten.serving.rules.availability import Availability
from colisten.sqlite_files import SqliteErrors

LAYOUT = 6
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
class NewRelease:
    """An item that was published shortly before the newest interaction."""

    days: int
    """Between the two."""
    creator: str
    listeners: int
    """Distinct users who streamed anything of the creator's."""


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

    published = WHOLE_CATALOGUE
    """Number of the last item of the index that is answered from, where it is known before anything is looked up: told
    items that the catalogue has behind it are new as well."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._log = AttachedLog(path.with_name("events.sqlite"), connection)
        self._recent = RecentEvents(self._log)

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

    @property
    def type_of(self) -> Codes:
        """Code of each item's type (place in `facts.item_types`) or RETIRED, uint8 [items, new ones behind]."""
        return self.new.types

    @property
    def availability(self) -> Availability:
        """Where and when items may be shown."""
        return Availability(*self._availability, len(self.type_of))

    @cached_property
    def size(self) -> int:
        """How many items the catalogue has; the numbers of others mean nothing to graph and index."""
        return len(self._types)

    @property
    def new(self) -> NewItems:
        """New items, as of the last time that `follow` looked."""
        return self._new_items.current

    def follow(self) -> NewItems:
        """Look whether items were told since; what is looked up from then on knows them.

        Raises:
            WorkdirError: the log of events is damaged.
        """
        return self._new_items.follow()

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
        new, facts = self.follow(), self.facts
        histories, told = self._recent.joined(self._histories(rows), user_ids, facts.signals, facts.events, new)
        return histories, [
            user_id for place, user_id in enumerate(user_ids) if user_id not in found and place not in told
        ]

    def user_ids(self) -> list[str]:
        """Everybody with a profile, in order."""
        return [user_id for (user_id,) in self._all("SELECT user_id FROM users ORDER BY user_id")]

    def items(self, numbers: Sequence[int]) -> dict[int, Item]:
        """Items by number."""
        found = self._items("item IN (SELECT value FROM json_each(:numbers))", numbers=_json(numbers))
        new = self.new.by_number
        told = {int(number): _item(new[number]) for number in numbers if number in new}
        return {item.item: item for item in found} | told

    def item_ids(self) -> list[str]:
        """All item ids; an item's number is its index."""
        known = [item_id for (item_id,) in self._all("SELECT item_id FROM items ORDER BY item")]
        return known + self._new_items.ids

    def numbers(self, item_ids: Iterable[str]) -> dict[str, int]:
        """By id, the numbers of those that the catalogue has or ever had."""
        query = "SELECT item_id, item FROM items WHERE item_id IN (SELECT value FROM json_each(:ids))"
        return dict(self._all(query, ids=json.dumps(list(item_ids))))

    def with_id(self, item_id: str) -> Item | None:
        """The item of the catalogue with this id, retired or not."""
        return next(iter(self._items("item_id = :name", name=item_id)), None)

    def known(self, item_ids: Iterable[str]) -> set[str]:
        """Those of the ids whose events count at once: in the catalogue of today, or new."""
        asked = list(item_ids)
        query = "SELECT item_id FROM items WHERE NOT retired AND item_id IN (SELECT value FROM json_each(:ids))"
        known = {item_id for (item_id,) in self._all(query, ids=json.dumps(asked))}
        return known | (self.new.by_id.keys() & set(asked))

    def find(self, id_or_title: str) -> Item | None:
        """The item with this id, else the most popular one with this title, however that is written."""
        if told := self.new.by_id.get(id_or_title):
            return _item(told)
        where = "item_id = :name OR folded = :folded ORDER BY item_id = :name DESC, retired, listeners DESC LIMIT 1"
        found = next(iter(self._items(where, name=id_or_title, folded=folded(id_or_title))), None)
        if found is None or found.retired:
            same = (item for item in self.new.items if folded(item.words.title or "") == folded(id_or_title))
            return next(map(_item, same), found)
        return found

    def titled(self, part: str, limit: int) -> list[Item]:
        """Items in the catalogue with this in their title, however it is written, most popular first; then new ones."""
        where = "NOT retired AND instr(folded, :part) ORDER BY listeners DESC, item LIMIT :limit"
        found = {item.item: item for item in self._items(where, part=folded(part), limit=limit)}
        new = (_item(item) for item in self.new.items if folded(part) in folded(item.words.title or ""))
        return [*found.values(), *(item for item in new if item.item not in found)][:limit]

    def titles(self) -> list[str]:
        """Every title, for suggestions."""
        query = "SELECT DISTINCT title FROM items WHERE title IS NOT NULL AND NOT retired"
        new = (item.words.title for item in self.new.items)
        return list(dict.fromkeys([*(title for (title,) in self._all(query)), *filter(None, new)]))

    def vocabulary(self, field: str) -> list[str]:
        """Values of `item_type`, `language` or `genres`, most frequent first."""
        query = "SELECT value FROM vocabulary WHERE field = :field ORDER BY items DESC, value"
        new = (value for item in self.new.items for value in item.values_of(field))
        return list(dict.fromkeys([*(value for (value,) in self._all(query, field=field)), *new]))

    def items_of(self, field: str, values: Sequence[str]) -> Int32s:
        """All items of some creators (`creator`) or genres (`genre`), however their letters are written, or with some
        ids (`item`)."""
        wanted = set(values) if field == "item" else {folded(value) for value in values}
        new = np.array([item.number for item in self.new.items if item.named(field, wanted)], np.int32)
        if field == "item":
            return np.append(np.array(list(self.numbers(values).values()), np.int32), new)
        query = "SELECT items FROM holders WHERE field = :field AND folded IN (SELECT value FROM json_each(:names))"
        blobs = [blob for (blob,) in self._all(query, field=field, names=json.dumps(list(wanted)))]
        return np.append(np.frombuffer(b"".join(blobs), np.int32), new)

    def names_of(self, field: str) -> list[str]:
        """Every `creator` or `genre`, for suggestions."""
        known = [name for (name,) in self._all("SELECT name FROM holders WHERE field = :field", field=field)]
        new = (name for item in self.new.items for name in item.names_of(field))
        return list(dict.fromkeys([*known, *new]))

    def least_heard(self, item_type: str, limit: int) -> Int64s:
        """Items of this type that nobody has streamed, or else as few as any of them, the newest first."""
        query = (
            "SELECT item FROM (SELECT item, rank() OVER (ORDER BY listeners) AS place FROM items "
            "WHERE item_type = :type AND NOT retired) WHERE place = 1 ORDER BY item DESC LIMIT :limit"
        )
        return np.array([item for (item,) in self._all(query, type=item_type, limit=limit)], np.int64)

    def popular(self, numbers: Sequence[int], country: str) -> dict[int, PopularityRank]:
        """Ranks, in this country or else overall, of those items that are among the most popular of their type."""
        query = (
            "SELECT item, country, place, listeners FROM popular "
            "WHERE country IN ('', :country) AND item IN (SELECT value FROM json_each(:items)) ORDER BY country"
        )
        found = self._all(query, country=country, items=_json(numbers))
        return {item: PopularityRank(*row) for item, *row in found}

    def new_releases(self, numbers: Sequence[int]) -> dict[int, NewRelease]:
        """Those of the items that were published of late, by creators who are heard."""
        query = (
            "SELECT item, days, creator, listeners FROM new_releases "
            "WHERE item IN (SELECT value FROM json_each(:items))"
        )
        return {item: NewRelease(*row) for item, *row in self._all(query, items=_json(numbers))}

    @cached_property
    def _new_items(self) -> NewItemLog:
        return NewItemLog(self._log, self._types, self.facts.item_types, self.published)

    @cached_property
    def _types(self) -> Codes:
        """Of the catalogue."""
        ((blob,),) = self._all("SELECT value FROM facts WHERE key = 'types'")
        return np.frombuffer(blob, np.uint8)

    @cached_property
    def _availability(self) -> tuple[Int32s, Int32s, Int64s, Int64s, tuple[str, ...]]:
        ((items, places, begins, ends, countries),) = self._all("SELECT * FROM availability")
        return (
            np.frombuffer(items, np.int32), np.frombuffer(places, np.int32), np.frombuffer(begins, np.int64),
            np.frombuffer(ends, np.int64), tuple(json.loads(countries)),
        )  # fmt: skip

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


def _item(new: NewItem) -> Item:
    return Item(new.number, new.item_id, str(new.words.item_type), new.words.title, retired=False)


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
