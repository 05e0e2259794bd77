"""The source tables as DuckDB views: every row with its file and its row number there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from colisten.errors import DataError, OutOfSpaceError
from colisten.listening.contract import Table, literal, quoted
from colisten.listening.files import Source

FILE, LINE = "source file", "source line"
"""Columns that every view has beside its own; their blanks keep them apart from those of the data."""


@dataclass(frozen=True)
class Raw:
    """A source table."""

    columns: Mapping[str, str]
    """Its columns with their DuckDB types; none where the table is not there."""
    typed: bool
    """Whether the types mean something: all is text in CSV."""


@contextmanager
def database(scratch: Path, source: Source, memory_mb: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that spills to `scratch`, reads from `source` and never downloads an extension.

    Raises:
        DataError: a file turns out to be unreadable inside the block.
        OutOfSpaceError: the disk of `scratch` is full.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MB", "temp_directory": str(scratch / "spill"),
              "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"
    }  # fmt: skip
    with _one_sentence(source), duckdb.connect(str(scratch / "checks.duckdb"), config=config) as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute("SET enable_progress_bar = false")  # it would be drawn on stdout
        if not source.local:
            db.register_filesystem(source.system)
        yield db


@contextmanager
def _one_sentence(source: Source) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        first = str(error).splitlines()[0]
        if "no space left" in first.lower() or "max_temp_directory_size" in str(error):
            raise OutOfSpaceError("The disk is full: checking spills to it; free some space and run again.") from error
        raise DataError(f"The data in {source.url} cannot be read: {first}") from error


def one_row(db: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The single row of a query's result, fetched whole: DuckDB does nothing else on a half-read connection."""
    row: tuple[Any, ...] = db.execute(sql).fetchall()[0]
    return row


def open_table(db: duckdb.DuckDBPyConnection, source: Source, table: Table) -> Raw:
    """Make the view `raw_<table>`, unless there are no files of an optional table.

    Raises:
        DataError: a required table or column is missing.
    """
    files = source.files(table.name)
    if not files:
        if table.required:
            raise DataError(f"There is no {table.name}.parquet or {table.name}.csv in {source.url}.")
        return Raw({}, typed=True)
    typed = files[0].endswith(".parquet")
    scan = _parquet(files) if typed else _csv(source, table, files)
    db.execute(f"CREATE VIEW raw_{table.name} AS {scan}")
    described = db.execute(f"DESCRIBE raw_{table.name}").fetchall()
    columns = {name: sql_type for name, sql_type, *_ in described if name not in (FILE, LINE)}
    missing = [column.name for column in table.columns if column.required and column.name not in columns]
    if missing:
        raise DataError(
            f"{table.name} in {source.url} lacks the column {missing[0]!r}: it has {', '.join(columns) or 'none'}."
        )
    return Raw(columns, typed)


def _parquet(files: list[str]) -> str:
    names = ", ".join(map(literal, files))
    return (
        f"SELECT * EXCLUDE (filename, file_row_number), filename AS {quoted(FILE)}, file_row_number + 1 AS "
        f"{quoted(LINE)} FROM read_parquet([{names}], filename = true, file_row_number = true, "
        "union_by_name = true, hive_partitioning = false)"
    )


def _csv(source: Source, table: Table, files: list[str]) -> str:
    """Files with the same header are one scan; malformed rows go to `malformed_<table>_<n>`."""
    headers: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in files:
        headers[source.header(path)].append(path)
    scans = []
    for place, (header, paths) in enumerate(headers.items()):
        names = ", ".join(map(literal, paths))
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
        malformed = f"malformed_{table.name}_{place}"
        scans.append(
            f"SELECT * EXCLUDE (filename), filename AS {quoted(FILE)}, row_number() OVER () AS {quoted(LINE)} "
            f"FROM read_csv([{names}], columns = {{{columns}}}, auto_detect = false, delim = ',', quote = '\"', "
            f"escape = '\"', header = true, filename = true, hive_partitioning = false, store_rejects = true, "
            f"rejects_table = '{malformed}', rejects_scan = '{malformed}_scan')"
        )
    return " UNION ALL BY NAME ".join(scans)
