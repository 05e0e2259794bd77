"""SQLite files of a working folder: transactions, and SQLite's errors as ours, in one sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from colisten.errors import ColistenError, OutOfSpaceError, WorkdirError
from colisten.full_disk import is_full


@dataclass(frozen=True)
class SqliteErrors:
    """What is said where a file cannot be used."""

    path: Path
    full: str
    """Where the disk is full: a whole sentence."""
    todo: str
    """Where SQLite cannot use the file: what to do about it."""
    busy: str = ""
    """Where another process holds it too long: what to do; empty: the same as about other errors."""

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raise what SQLite raises in the block as one of ours.

        Raises:
            OutOfSpaceError: the disk is full.
            WorkdirError: the file is damaged or busy, or is no such file.
        """
        try:
            yield
        except sqlite3.Error as error:
            raise self.of(error) from error

    def of(self, error: Exception) -> ColistenError:
        """An error of SQLite, or of the system about the file, as one of ours."""
        if is_full(error):
            return OutOfSpaceError(self.full)
        if self.busy and "locked" in str(error):
            return WorkdirError(f"Another process holds {self.path} for long: {self.busy}")
        return WorkdirError(f"{self.path} cannot be used ({error}): {self.todo}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """What the block writes is kept when it ends, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
