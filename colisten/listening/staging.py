"""Staging: a source, checked, in the DuckDB that import and report query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from colisten.letters import in_quotes
from colisten.listening import checks, dataset_checks, numbering
from colisten.listening.contract import AVAILABILITY, INTERACTIONS, ITEMS, RELATIONS, TABLES, USERS
from colisten.listening.data import ListeningData
from colisten.listening.events import ingestion
from colisten.listening.files import Source
from colisten.listening.kept import keep_rejected, open_kept
from colisten.listening.oddities import oddities
from colisten.listening.raw import database, one_row, open_table
from colisten.listening.rejected import collect_rejected
from colisten.listening.time_units import with_unit
from colisten.progress import Progress
from colisten.settings import Settings


@dataclass(frozen=True)
class Staged:
    """A checked source.

    `db` holds `checked_TABLE` of every table of the contract (all rows, with `reason`), `numbered_items` (what
    items.parquet will be), `logged_events` (those of the log that the source does not hold), `told_users` (user_id),
    `told_features` (told_user, …), and `rejected` (table_name, file, line, reason, row, broken: it is no CSV row).
    """

    db: duckdb.DuckDBPyConnection
    seq: int
    """Of the last event in the log."""
    features: Mapping[str, str]
    """Feature columns of users: name and SQL on `checked_users` and `told_features`."""
    warnings: Sequence[str]
    """What is probably meant otherwise than it was read, one sentence each."""

    @property
    def rejected(self) -> dict[str, int]:
        """Rows set aside per reason, most first."""
        found = self.db.execute(
            "SELECT reason, count(*) AS rows FROM rejected GROUP BY reason ORDER BY rows DESC, reason"
        )
        return dict(found.fetchall())

    @property
    def unread(self) -> dict[str, int]:
        """Optional values of kept rows that cannot be read and are missing now, with one of them, most first."""
        kept = " UNION ALL ".join(
            f"SELECT unnest(unread) AS one FROM checked_{table.name} WHERE reason IS NULL" for table in TABLES
        )
        found = self.db.execute(
            f"SELECT one.what, min(one.value), count(*) AS times FROM ({kept}) GROUP BY 1 ORDER BY times DESC, 1"
        )
        return {f"{what}: {in_quotes(value)}": times for what, value, times in found.fetchall()}

    def number(self, sql: str) -> int:
        """The single number of a query's result."""
        return int(one_row(self.db, sql)[0])


@contextmanager
def staged(
    source: str | ListeningData,
    scratch: Path,
    settings: Settings,
    progress: Progress,
    earlier: Path | None = None,
    events: Path | None = None,
) -> Iterator[Staged]:
    """Check everything in `source`, a platform's or that of an earlier import, and in the log of events.

    `earlier` is the items file of an earlier import.

    Raises:
        DataError: the data cannot be used as a whole.
        WorkdirError: the log is damaged.
    """
    kept = source if isinstance(source, ListeningData) else None
    opened = Source.open(str(source.root) if isinstance(source, ListeningData) else source)
    with database(scratch, opened, settings.listening.memory_mb) as db, progress.task("checking", len(TABLES)) as task:
        raw = open_kept(db, kept) if kept else {t.name: open_table(db, opened, t, scratch) for t in TABLES}
        seq = ingestion.read_log(db, events)
        numbering.read_earlier(db, earlier)
        checks.check_items(db, raw[ITEMS.name].columns)
        ingestion.put_told_items(db)
        dataset_checks.check_catalogue(db, settings)
        numbering.number_items(db, settings.taste_types)
        dataset_checks.check_type_count(numbering.item_types(db))
        task.advance(note="items")
        features = ingestion.with_told_features(db, checks.check_users(db, raw[USERS.name]))
        task.advance(note="users")
        declared = [relation.name for relation in settings.graph.relations if not relation.built_in]
        checks.check_related_items(db, raw[RELATIONS.name], declared=declared, taste=settings.taste_types)
        task.advance(note="relations")
        checks.check_availability(db, raw[AVAILABILITY.name], taste=settings.taste_types)
        task.advance(note="availability")
        interactions, unit = with_unit(db, INTERACTIONS, raw[INTERACTIONS.name].columns)
        spread = settings.engine == "spark" and kept is None and raw[INTERACTIONS.name].typed
        checks.check_interactions(
            db,
            interactions,
            raw[INTERACTIONS.name].columns,
            taste=settings.taste_types,
            ignored=settings.signals.ignored,
            compute=_on_spark(opened, scratch, settings) if spread else checks.on_this_machine,
        )
        dataset_checks.check_signals(db, settings)
        ingestion.match_logged(db, settings.signals.used)
        task.advance(note="interactions")
        collect_rejected(db)
        if kept:
            keep_rejected(db, kept)
        yield Staged(db, seq, features, [*([unit] if unit else []), *oddities(db, raw, settings.graph.relations)])


def _on_spark(source: Source, scratch: Path, settings: Settings) -> checks.Compute:
    from colisten.listening.on_spark import compute_on_spark  # here, since most do without Spark

    return partial(compute_on_spark, source=source, scratch=scratch, memory_mb=settings.listening.memory_mb)
