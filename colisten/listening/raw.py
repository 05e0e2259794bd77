"""The source tables as DuckDB views: every row with its file and its row number there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import duckdb

from colisten.errors import DataError, OutOfSpaceError
from colisten.full_disk import is_full
from colisten.letters import printable
from colisten.listening.contract import TABLES, Table, check_form, form_of, quoted
from colisten.listening.csv_files import csv_scans
from colisten.listening.files import FILE, LINE, Source, listed
from colisten.listening.parquet_files import parquet_scans

_LETTERS = 60
_AS_TEXT = {"integer", "fraction", "text", "time", "null"}
"""Forms of columns that may be mixed over the files of a table."""


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
    file = scratch / "checks.duckdb"
    # at a question mark DuckDB takes a file's name to end: it would look for its log elsewhere
    with _one_sentence(source), duckdb.connect(":memory:" if "?" in str(file) else str(file), config=config) as db:
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
        if is_full(error):
            raise OutOfSpaceError("The disk is full: checking spills to it; free some space and run again.") from error
        where = _unreadable_file(source) or f"The data in {source.url}"
        raise DataError(f"{where} cannot be read: {first}") from error


def _unreadable_file(source: Source) -> str | None:
    """The first Parquet file that is damaged: DuckDB does not name it in every case."""
    with duckdb.connect() as db:
        if not source.local:
            db.register_filesystem(source.system)
        for path in (path for table in TABLES for path in source.files(table.name) if path.endswith(".parquet")):
            try:
                db.execute(f"SELECT sum(hash(file)) FROM read_parquet({listed([path])}) AS file").fetchall()
            except duckdb.Error:
                return path
    return None


def one_row(db: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The single row of a query's result, fetched whole: DuckDB does nothing else on a half-read connection."""
    row: tuple[Any, ...] = db.execute(sql).fetchall()[0]
    return row


def open_table(db: duckdb.DuckDBPyConnection, source: Source, table: Table, scratch: Path) -> Raw:
    """Make the view `raw_<table>`, unless there are no files of an optional table; repaired copies go to `scratch`.

    Raises:
        DataError: a required table or column is missing, or a file cannot be read.
    """
    files = source.files(table.name)
    if not files:
        if table.required:
            unread = [name for name in source.unread(table.name) if name.startswith(table.name)]
            hint = f"; {unread[0]!r} should be .parquet, .csv or .csv.gz" if unread else ""
            raise DataError(f"There is no {table.name}.parquet or {table.name}.csv in {source.url}{hint}.")
        return Raw({}, typed=True)
    return open_files(db, source, table, files, scratch)


def open_files(db: duckdb.DuckDBPyConnection, source: Source, table: Table, files: list[str], scratch: Path) -> Raw:
    """Make the view `raw_<table>` of these files of the source, all Parquet or all CSV.

    Raises:
        DataError: a required column is missing, or a file cannot be read.
    """
    typed = files[0].endswith(".parquet")
    found = parquet_scans(db, files) if typed else csv_scans(db, source, table, files, scratch)
    for scan, paths in found if typed else ():
        _check_forms(db, table, scan, paths[0])
    scans = _of_one_type(db, [_with_keys(db, source, table, scan, paths) for scan, paths in found])
    db.execute(f"CREATE VIEW raw_{table.name} AS {' UNION ALL BY NAME '.join(scans)}")
    columns = columns_of(db, f"FROM raw_{table.name}")
    missing = [column.name for column in table.columns if column.required and column.name not in columns]
    if missing:
        names = ", ".join(printable(shorten(name, _LETTERS, placeholder=" …")) for name in columns)
        raise DataError(f"{table.name} in {source.url} lacks the column {missing[0]!r}: it has {names or 'none'}.")
    return Raw(columns, typed)


def _check_forms(db: duckdb.DuckDBPyConnection, table: Table, scan: str, path: str) -> None:
    """Of files of one schema, of which `path` is one."""
    types = columns_of(db, scan)
    for column in table.columns:
        if column.name in types:
            check_form(path, column, types[column.name])


def columns_of(db: duckdb.DuckDBPyConnection, scan: str) -> dict[str, str]:
    """The own columns of a scan, with their DuckDB types."""
    described = db.execute(f"DESCRIBE {scan}").fetchall()
    return {name: sql_type for name, sql_type, *_ in described if name not in (FILE, LINE)}


def _with_keys(db: duckdb.DuckDBPyConnection, source: Source, table: Table, scan: str, files: list[str]) -> str:
    """The scan with the columns of the table that stand in the names of folders only; row indices are left out."""
    columns = columns_of(db, scan)
    indices = ", ".join(quoted(name) for name in columns if name.startswith("__index_level_"))
    own = f"SELECT * EXCLUDE ({indices}) FROM ({scan})" if indices else scan
    names = {name for path in files for name in source.keys(path)}
    keys = [name for name in sorted(names & table.column_names) if name not in columns]
    added = "".join(f", {source.key(quoted(FILE), name)} AS {quoted(name)}" for name in keys)
    return f"SELECT *{added} FROM ({own})" if added else own


def _of_one_type(db: duckdb.DuckDBPyConnection, scans: list[str]) -> list[str]:
    """The scans with every column as text that is, say, whole seconds in one of them and a time in another."""
    types = [columns_of(db, scan) for scan in scans] if len(scans) > 1 else []
    forms: dict[str, set[str]] = defaultdict(set)
    for columns in types:
        for name, sql_type in columns.items():
            forms[name].add(form_of(sql_type))
    mixed = {name for name, found in forms.items() if len(found - {"null"}) > 1 and found <= _AS_TEXT}
    return [
        f"SELECT * REPLACE ({', '.join(f'{quoted(n)}::VARCHAR AS {quoted(n)}' for n in changed)}) FROM ({scan})"
        if (changed := sorted(mixed & columns.keys()))
        else scan
        for scan, columns in zip(scans, types or [{}] * len(scans), strict=True)
    ]
