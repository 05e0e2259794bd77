"""The log of events, `W/events.sqlite`: on the disk before a request is answered, read by every process at once.

SQLite with a write-ahead log and `synchronous = FULL`: a commit is durable, readers see it at once and wait for no
writer, and any number of processes write in turn. Tables:

- `events`: one row per event, in the order of `seq`, which is never given twice. A user, an item, a signal and a second
  make one event, and so does an `event_id`.
- `user_features`, `item_words`: what was last said of a user (features, JSON) or of an item (its texts, JSON).
- `item_places`: of a new item, where its text lies, so that every process answers it without a text encoder.

Standard library only: serving imports it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from colisten.errors import WorkdirError
from colisten.listening.events.rows import Event
from colisten.sqlite_files import SqliteErrors, transaction
from colisten.workdir import draft_folder

LAYOUT = 1
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA user_version = {LAYOUT};
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL, item_id TEXT NOT NULL, signal TEXT NOT NULL, timestamp INTEGER NOT NULL,
    value REAL, event_id TEXT UNIQUE,
    UNIQUE (user_id, item_id, signal, timestamp)
);
CREATE TABLE user_features (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL UNIQUE, features TEXT NOT NULL
);
CREATE TABLE item_words (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL UNIQUE, words TEXT NOT NULL
);
"""
_PLACES = """
CREATE TABLE IF NOT EXISTS item_places (item_id TEXT PRIMARY KEY, text BLOB NOT NULL, neighbours TEXT NOT NULL)
"""
_SECONDS_TO_WAIT = 10.0
"""For another process to end its transaction."""
_AT_ONCE = 100_000


@dataclass(frozen=True)
class EventCounts:
    """How much the log holds."""

    events: int
    users: int
    items: int
    """Different items of the events, known or not."""
    user_features: int
    """Users of whom features were told."""
    item_words: int
    """Items of which texts were told."""


@dataclass(frozen=True)
class TextPlace:
    """Where a new item's text lies among those of the catalogue."""

    text: bytes
    """Its vector, float32."""
    neighbours: Mapping[str, float]
    """Ids of the items whose texts are nearest, nearest first, with their cosines."""


class EventStore:
    """An open log of events. Use it as a context manager, or `close` it; one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._errors = log_errors(path)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Open the log for writing; made where there is none, for its owner alone.

        Raises:
            WorkdirError: it is damaged, or of another version of Colisten.
            OutOfSpaceError: the disk is full.
        """
        with log_errors(path).told():
            if not path.exists():
                _make(path)
            connection = sqlite3.connect(path, _SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != LAYOUT:
                raise WorkdirError(f"{path} was written by another version of Colisten: use the version that made it.")
            connection.executescript(f"PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; {_PLACES}")
        return cls(path, connection)

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """Open the log if there is one.

        Raises:
            WorkdirError: it is damaged, or of another version of Colisten.
        """
        return cls.create(path) if path.exists() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What the block writes is on the disk when it ends; nothing of it is kept if it fails.

        Raises:
            WorkdirError: the log is damaged, or another process holds it too long.
            OutOfSpaceError: the disk is full.
        """
        with self._errors.told(), transaction(self._connection):
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What the block reads is the log as it was at one moment.

        Raises:
            WorkdirError: the log is damaged.
        """
        with self._errors.told():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def add(self, events: Iterable[Event]) -> int:
        """Append events, within a transaction; returns how many were not there before."""
        before = self._connection.total_changes
        self._connection.executemany(
            "INSERT OR IGNORE INTO events (user_id, item_id, signal, timestamp, value, event_id) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            events,
        )
        return self._connection.total_changes - before

    def put_features(self, user_id: str, features: Mapping[str, object]) -> None:
        """Say what is known of a user, in place of what was said here before; within a transaction."""
        self._put("user_features", "user_id", "features", user_id, features)

    def put_words(self, item_id: str, words: Mapping[str, object], place: TextPlace | None = None) -> None:
        """Say what an item's texts are and where they lie, in place of what was said here before; within a transaction.

        Without a place the item waits for the next run.
        """
        self._put("item_words", "item_id", "words", item_id, words)
        self._connection.execute("DELETE FROM item_places WHERE item_id = ?", (item_id,))
        if place:
            row = (item_id, place.text, json.dumps(dict(place.neighbours)))
            self._connection.execute("INSERT INTO item_places VALUES (?, ?, ?)", row)

    def _put(self, table: str, key: str, column: str, name: str, value: Mapping[str, object]) -> None:
        self._connection.execute(
            f"INSERT OR REPLACE INTO {table} ({key}, {column}) VALUES (?, ?)", (name, json.dumps(dict(value)))
        )

    def counts(self) -> EventCounts:
        """How much there is of everything."""
        ((*found,),) = self._all(
            "SELECT count(*), count(DISTINCT user_id), count(DISTINCT item_id), "
            "(SELECT count(*) FROM user_features), (SELECT count(*) FROM item_words) FROM events"
        )
        return EventCounts(*found)

    def newest(self) -> dict[str, int]:
        """The last `seq` given out in each table: whatever is written changes it, what is removed does not."""
        return dict(self._all("SELECT name, seq FROM sqlite_sequence ORDER BY name"))

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        """All events, in order of `seq`, in batches: user_id, item_id, signal, timestamp, value."""
        with self._errors.told():
            rows = self._connection.execute(
                "SELECT user_id, item_id, signal, timestamp, value FROM events ORDER BY seq"
            )
            while batch := rows.fetchmany(_AT_ONCE):
                yield batch

    def features(self) -> list[tuple[str, str]]:
        """Users of whom features were told, with those as JSON."""
        return self._all("SELECT user_id, features FROM user_features ORDER BY user_id")

    def words(self) -> list[tuple[str, str]]:
        """Items of which texts were told, with those as JSON."""
        return self._all("SELECT item_id, words FROM item_words ORDER BY seq")

    def forget(self, user_id: str) -> int:
        """Remove a user from the log and from what it keeps beside it; returns the rows removed.

        Raises:
            WorkdirError: the log is damaged, or others hold it too long.
        """
        with self.transaction():
            before = self._connection.total_changes
            for table in ("events", "user_features"):
                self._connection.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,))
            removed = self._connection.total_changes - before
        self._empty_write_ahead_log()
        return removed

    def drop_before(self, second: int, seq: int, signals: Sequence[str], profiles: Path) -> int:
        """Remove events older than `second` that a run has taken in: up to `seq`, with these signals, on items of the
        catalogue in `profiles`; returns how many."""
        with self._errors.told(), self.attached(profiles), self.transaction():
            gone = self._connection.execute(
                "DELETE FROM events WHERE timestamp < :second AND seq <= :seq "
                "AND signal IN (SELECT value FROM json_each(:signals)) "
                "AND item_id IN (SELECT item_id FROM profiles.items WHERE NOT retired)",
                {"second": second, "seq": seq, "signals": json.dumps(list(signals))},
            ).rowcount
        self._empty_write_ahead_log()
        return gone

    @contextmanager
    def attached(self, profiles: Path) -> Iterator[None]:
        """The tables of `W/profiles.sqlite`, by the name `profiles`, for the time of the block."""
        self._connection.execute("ATTACH ? AS profiles", (str(profiles),))
        try:
            yield
        finally:
            self._connection.execute("DETACH profiles")

    def _empty_write_ahead_log(self) -> None:
        """Move what it holds into the file, where deleted rows are zeros, and cut it to nothing."""
        with self._errors.told():
            ((busy, *_),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise WorkdirError(f"Somebody reads {self._path} for long: run the same command again.")

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        with self._errors.told():
            return self._connection.execute(query).fetchall()


def log_errors(path: Path) -> SqliteErrors:
    """What is said where the log at `path` cannot be used."""
    return SqliteErrors(
        path,
        full="No space is left on the disk, so nothing of it was kept: free some and send it again.",
        todo="put a copy in its place, or move it away, which loses the events since the last run.",
        busy="send it again in a moment.",
    )


def _make(path: Path) -> None:
    """Let the log appear with its tables in it, in one step, unless another process was quicker."""
    with draft_folder(path.parent, path.name) as folder:
        draft = folder / path.name
        with closing(sqlite3.connect(draft)) as connection:
            connection.executescript(_SCHEMA)
        draft.chmod(0o600)
        with suppress(FileExistsError):
            os.link(draft, path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make new names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
