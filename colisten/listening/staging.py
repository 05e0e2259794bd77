"""All checks of a source, in a DuckDB that importing and reporting then ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from colisten.listening import checks, numbering, whole
from colisten.listening.contract import INTERACTIONS, ITEMS, TABLES, USERS
from colisten.listening.files import Source
from colisten.listening.raw import database, open_table
from colisten.listening.rejected import collect_rejected
from colisten.progress import Progress
from colisten.settings import Settings


@dataclass(frozen=True)
class Staged:
    """A checked source.

    `db` holds `checked_items`, `checked_users`, `checked_interactions` (all rows, with `reason`), `numbered_items`
    (what items.parquet will be) and `rejected` (file, line, reason, row).
    """

    db: duckdb.DuckDBPyConnection
    features: tuple[str, ...]
    """Feature columns of users."""

    def number(self, sql: str) -> int:
        """The one number that a query answers with."""
        row = self.db.execute(sql).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def staged(
    source: str, scratch: Path, settings: Settings, progress: Progress, earlier: Path | None = None
) -> Iterator[Staged]:
    """Check everything in `source`; `earlier` is the items file of an earlier import.

    Raises:
        DataError: the data cannot be used as a whole.
    """
    opened = Source.open(source)
    with database(scratch, opened, settings.listening.memory_mb) as db, progress.task("checking", len(TABLES)) as task:
        columns = {table.name: open_table(db, opened, table) for table in TABLES}
        numbering.read_earlier(db, earlier)
        checks.check_items(db, columns[ITEMS.name])
        whole.refuse_bad_catalogue(db, settings)
        numbering.number_items(db, settings.taste)
        whole.refuse_too_many_types(numbering.item_types(db))
        task.advance(note="items")
        features = checks.check_users(db, columns[USERS.name])
        task.advance(note="users")
        checks.check_interactions(
            db, columns[INTERACTIONS.name], taste=settings.taste, ignored=settings.signals.ignored
        )
        whole.refuse_bad_signals(db, settings)
        task.advance(note="interactions")
        collect_rejected(db)
        yield Staged(db, features)
