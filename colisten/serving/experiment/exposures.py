"""The log of what experiments have shown over HTTP: SQLite, durable before an answer is sent, for many processes.

`W/experiments/exposures.sqlite`, which only its owner may read, has one row per answer. `shown` is JSON, three lists of
one length, best first: `item_id`, `item_type`, `propensity`. The same `request_id` again takes the place of the first:
who asks again has not got the answer.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from colisten.errors import WorkdirError
from colisten.sqlite_files import SqliteErrors, transaction

FILE = "exposures.sqlite"
_SECONDS_TO_WAIT = 30.0
"""For another process that writes: a commit takes milliseconds, to forget somebody seconds."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    user_id TEXT NOT NULL, experiment TEXT NOT NULL, request_id TEXT NOT NULL, "group" TEXT NOT NULL,
    at INTEGER NOT NULL, "index" TEXT NOT NULL, shown TEXT NOT NULL, PRIMARY KEY (user_id, experiment, request_id)
)"""
_ANSWERS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Exposure:
    """An answer that is shown to somebody."""

    user_id: str
    experiment: str
    request_id: str
    group: str
    at: int
    """Seconds, UTC."""
    index: str
    """The collection that answered."""
    item_ids: Sequence[str]
    """Best first."""
    item_types: Sequence[str]
    propensities: Sequence[float]
    """Of each slot to show what it does."""

    def row(self) -> tuple[str | int, ...]:
        """Columns of the table."""
        shown = {"item_id": self.item_ids, "item_type": self.item_types, "propensity": self.propensities}
        words = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        return self.user_id, self.experiment, self.request_id, self.group, self.at, self.index, words


class ExposureLog:
    """The open log. For one thread; any number of processes may have it open."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._errors = _errors(path)
        self._inode = path.stat().st_ino

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the log in `W/experiments`, or begin it.

        Raises:
            WorkdirError: it is damaged, or cannot be written.
            OutOfSpaceError: the disk is full.
        """
        path = folder / FILE
        return cls(path, _connected(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is added in the block is durable when it ends: no kill and no power cut loses it.

        A file that was removed because it was damaged, or put back from a backup, is opened anew.

        Raises:
            WorkdirError, OutOfSpaceError: nothing of it is kept.
        """
        if not self._is_in_place():
            self.close()
            self._connection = _connected(self._path)
            self._inode = self._path.stat().st_ino
        with self._errors.told(), transaction(self._connection):
            yield

    def add(self, exposures: Sequence[Exposure]) -> None:
        """Log some exposures, within a transaction."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", [one.row() for one in exposures]
        )

    def answers(self, experiment: str) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of `user_id`, `request_id`, `group`, `at`, `index`, `shown` of an experiment, in pieces.

        Raises:
            WorkdirError: it is damaged.
        """
        query = 'SELECT user_id, request_id, "group", at, "index", shown FROM answers WHERE experiment = ?'
        with self._errors.told():
            found = self._connection.execute(query, (experiment,))
            while rows := found.fetchmany(_ANSWERS_AT_ONCE):
                yield rows

    def forget(self, user_id: str) -> int:
        """Remove a person, and every byte of theirs from the file and its journal; returns the answers removed.

        Raises:
            WorkdirError: it is damaged, or was in use for too long.
            OutOfSpaceError: the disk is full.
        """
        with self._errors.told():
            removed = self._connection.execute("DELETE FROM answers WHERE user_id = ?", (user_id,)).rowcount
            self._connection.execute("VACUUM")
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise WorkdirError(f"{self._path} is in use: `colisten forget` once more, to clear its journal.")
        return removed

    def _is_in_place(self) -> bool:
        """Whether the file that is open is still the one that others would open."""
        return self._path.exists() and self._path.stat().st_ino == self._inode


def _errors(path: Path) -> SqliteErrors:
    return SqliteErrors(
        path,
        full="No space is left on the disk: free some; what cannot be logged is not shown.",
        todo="make it writable, or remove it if it is damaged; whom it was shown to is lost then.",
    )


def _connected(path: Path) -> sqlite3.Connection:
    with _errors(path).told():
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives its journal the same rights
        except OSError as error:
            raise _errors(path).of(error) from error
        connection = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
    return connection
