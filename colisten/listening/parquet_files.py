"""Parquet files as DuckDB scans: files with the same schema are one scan."""

from __future__ import annotations

from collections import defaultdict

import duckdb

from colisten.listening.contract import quoted
from colisten.listening.files import FILE, LINE, listed


def parquet_scans(db: duckdb.DuckDBPyConnection, files: list[str]) -> list[tuple[str, list[str]]]:
    """SQL of a scan, with its files, per schema: one column may be seconds here and a time there."""
    schemas = db.execute(f"""
        SELECT file_name, list((name, type, converted_type::VARCHAR, logical_type::VARCHAR, num_children))::VARCHAR
        FROM parquet_schema({listed(files)}) GROUP BY file_name ORDER BY file_name""").fetchall()
    alike: dict[str, list[str]] = defaultdict(list)
    for path, schema in schemas:
        alike[schema].append(path)
    return [(_scan(paths), paths) for paths in alike.values()]


def _scan(files: list[str]) -> str:
    return (
        f"SELECT * EXCLUDE (filename, file_row_number), filename AS {quoted(FILE)}, file_row_number + 1 AS "
        f"{quoted(LINE)} FROM read_parquet({listed(files)}, filename = true, file_row_number = true, "
        "union_by_name = true, hive_partitioning = false)"
    )
