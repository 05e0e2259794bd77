"""CSV files as DuckDB scans: files of one dialect are one scan, damaged ones are repaired first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import duckdb

from colisten.errors import DataError
from colisten.listening.contract import Table, literal, quoted
from colisten.listening.csv_dialect import Dialect, EmptyError, read_dialect
from colisten.listening.csv_repair import MARK, read_csv, readable
from colisten.listening.files import FILE, LINE, Source


def csv_scans(
    db: duckdb.DuckDBPyConnection, source: Source, table: Table, files: list[str], scratch: Path
) -> list[tuple[str, list[str]]]:
    """SQL of a scan, with its files, per dialect; malformed rows go to `malformed_<table>_<n>` when it is run.

    Files that had to be repaired stand in `csv_copies` (copy, original), and lines of theirs that have a broken quote
    in `broken_quotes` (copy, mark, text).

    Raises:
        DataError: a file cannot be read.
    """
    db.execute("CREATE TABLE IF NOT EXISTS csv_copies (copy VARCHAR, original VARCHAR)")
    db.execute("CREATE TABLE IF NOT EXISTS broken_quotes (copy VARCHAR, mark VARCHAR, text VARCHAR)")
    alike: dict[Dialect, list[tuple[str, str]]] = defaultdict(list)
    for path, dialect in _dialects(source, table, files):
        found = readable(db, source, path, dialect, scratch / table.name)
        if found.path != path:
            db.execute("INSERT INTO csv_copies VALUES (?, ?)", [found.path, path])
        if found.marked:
            _keep(db, found.path, found.marked)
        alike[found.dialect].append((found.path, path))
    return [
        (_scan(pairs, dialect, f"malformed_{table.name}_{place}"), [original for _, original in pairs])
        for place, (dialect, pairs) in enumerate(alike.items())
    ]


def _dialects(source: Source, table: Table, files: list[str]) -> Iterator[tuple[str, Dialect]]:
    """The dialect of each file; one without a line among others is a part without rows, as Spark writes it.

    Raises:
        DataError: a file cannot be read, has no header while others have one, or all are empty.
    """
    found = {}
    for path in files:
        try:
            found[path] = read_dialect(source, path, table)
        except EmptyError:
            if path == files[-1] and not found:
                raise
    headed = [path for path, dialect in found.items() if table.column_names.intersection(dialect.columns)]
    bare = next((path for path in found if headed and path not in headed), None)
    if bare:
        raise DataError(f"{bare} names no column of {table.name} in its first line: begin it as {headed[0]} begins.")
    yield from found.items()


def _scan(pairs: list[tuple[str, str]], dialect: Dialect, rejects: str) -> str:
    left_out = ", ".join(quoted(name) for name in ("filename", *dialect.skipped))
    copies = [f"WHEN {literal(path)} THEN {literal(original)}" for path, original in pairs if path != original]
    file = f"CASE filename {' '.join(copies)} ELSE filename END" if copies else "filename"
    return (
        f"SELECT * EXCLUDE ({left_out}), {file} AS {quoted(FILE)}, row_number() OVER () AS {quoted(LINE)} "
        f"FROM {read_csv([path for path, _ in pairs], dialect, rejects)}"
    )


def _keep(db: duckdb.DuckDBPyConnection, copy: str, lines: list[str]) -> None:
    db.execute(
        "INSERT INTO broken_quotes SELECT $copy, $mark || (place - 1), line "
        "FROM (SELECT unnest($lines::VARCHAR[]) AS line, generate_subscripts($lines::VARCHAR[], 1) AS place)",
        {"copy": copy, "mark": MARK, "lines": lines},
    )
