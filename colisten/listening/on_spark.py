"""Checks of interactions on Spark: each executor checks some of the files, by the same SQL in a DuckDB of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from colisten.listening.contract import INTERACTIONS, literal, quoted
from colisten.listening.files import FILE, Source, listed
from colisten.listening.raw import database, open_table
from colisten.spark import on_executors, shared_parts, spark_session
from colisten.workdir import scratch_folder

_CATALOGUE = ("numbered_items", "checked_items")
_SHARES_PER_CORE = 4
"""More shares than cores, so that files of different sizes end together."""


@dataclass(frozen=True)
class _Share:
    """What one task checks; paths are the same for driver and executors."""

    source: str
    files: Sequence[str]
    query: str
    folder: Path
    """With the catalogue, and for the checked rows."""
    place: int
    memory_mb: int


def compute_on_spark(
    db: duckdb.DuckDBPyConnection, name: str, query: str, *, source: Source, scratch: Path, memory_mb: int
) -> None:
    """Make the view `name` of what `query` makes of `raw_interactions`, row by row: each file is one executor's.

    Args:
        db: with the catalogue that the query joins.
        name: of the view.
        query: SQL over `raw_interactions`, `numbered_items` and `checked_items`.
        source: Parquet files, which executors see by the same addresses.
        scratch: a folder that executors see by the same path.
        memory_mb: of the driver, and of each task.

    Raises:
        SettingsError: Spark or its Java is missing, or executors do not share the folder.
        DataError: a file cannot be read.
        ColistenError: a job of Spark failed.
    """
    folder = (scratch / "checked").resolve()
    folder.mkdir()
    for table in _CATALOGUE:
        db.execute(f"COPY {table} TO {literal(str(folder / f'{table}.parquet'))} (FORMAT parquet)")
    files = source.files(INTERACTIONS.name)
    with spark_session(scratch, memory_mb) as session:
        count = min(len(files), _SHARES_PER_CORE * session.sparkContext.defaultParallelism)
        shares = [
            _Share(source.root if source.local else source.url, files[place::count], query, folder, place, memory_mb)
            for place in range(count)
        ]
        on_executors(session, _check, shares)
    parts = listed([str(path) for path in shared_parts(folder, count)])
    db.execute(f"CREATE VIEW {name} AS FROM read_parquet({parts})")


def _check(share: _Share) -> None:
    source = Source.open(share.source)
    with scratch_folder() as scratch, database(scratch, source, share.memory_mb) as db:
        for table in _CATALOGUE:
            file = listed([str(share.folder / f"{table}.parquet")])
            db.execute(f"CREATE VIEW {table} AS FROM read_parquet({file})")
        open_table(db, source, INTERACTIONS, scratch)  # all files: each column has one type over them
        db.execute(f"ALTER VIEW raw_{INTERACTIONS.name} RENAME TO whole_table")
        own = ", ".join(map(literal, share.files))
        db.execute(f"CREATE VIEW raw_{INTERACTIONS.name} AS FROM whole_table WHERE {quoted(FILE)} IN ({own})")
        db.execute(f"COPY ({share.query}) TO {literal(str(share.folder / f'part-{share.place:05}.parquet'))}")
