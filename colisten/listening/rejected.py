"""The table of rejected rows: each with its file, its row number there, and the reason."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from colisten.listening.contract import TABLES, Table, literal

OPEN_QUOTE = "a quote that is not closed on its line, or closed within a value"


def collect_rejected(db: duckdb.DuckDBPyConnection, tables: Sequence[Table] = TABLES) -> None:
    """Make `rejected` (table_name, file, line, reason, row, broken); `broken`: a line that is no CSV row."""
    db.execute(
        "CREATE TABLE rejected (table_name VARCHAR, file VARCHAR, line BIGINT, reason VARCHAR, row VARCHAR, "
        "broken BOOLEAN)"
    )
    for table in tables:
        name = literal(table.name)
        malformed = _malformed(db, table.name)
        db.execute(f"CREATE TEMP TABLE broken AS {malformed}")
        db.execute(f"INSERT INTO rejected SELECT {name}, *, true FROM broken")
        db.execute(f"""
            INSERT INTO rejected
            SELECT {name}, file, {_row_number(db, table.name)}, reason, row, false
            FROM checked_{table.name} AS checked
            WHERE reason IS NOT NULL""")
        db.execute("DROP TABLE broken")


def _malformed(db: duckdb.DuckDBPyConnection, table: str) -> str:
    """SQL of (file, line, reason, row) of the CSV rows that DuckDB could not split into the columns."""
    names = _scans(db, table)
    if not names:
        return "SELECT ''::VARCHAR AS file, 0::BIGINT AS line, ''::VARCHAR AS reason, ''::VARCHAR AS row LIMIT 0"
    reason = f"coalesce(if(any_value(text) IS NULL, NULL, {literal(OPEN_QUOTE)}), lower(mode(error_type::VARCHAR)))"
    return " UNION ALL ".join(
        f"SELECT coalesce(any_value(original), file_path) AS file, (line - 1 - any_value(skip_rows))::BIGINT AS line, "
        f"'no CSV row of these columns: ' || {reason} AS reason, "
        f"to_json({{'text': coalesce(any_value(text), any_value(csv_line))}})::VARCHAR AS row "
        f"FROM {name} JOIN {name}_scan USING (scan_id, file_id) LEFT JOIN csv_copies ON csv_copies.copy = file_path "
        f"LEFT JOIN broken_quotes ON broken_quotes.copy = file_path AND rtrim(csv_line, delimiter) = mark "
        f"GROUP BY file_path, line"
        for name in names
    )


def _scans(db: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    found = db.execute(
        "SELECT DISTINCT table_name FROM duckdb_tables() WHERE regexp_full_match(table_name, ?) ORDER BY 1",
        [f"malformed_{table}_[0-9]+"],
    ).fetchall()
    return [name for (name,) in found]


def _row_number(db: duckdb.DuckDBPyConnection, table: str) -> str:
    """SQL of the 1-based row within its file.

    Parquet has it. For CSV, DuckDB numbers the rows that could be split, over all files of a scan: the number of the
    first one of the file is subtracted, and the broken rows before are added back.
    """
    if not _scans(db, table):
        return "line"
    db.execute(f"""
        CREATE OR REPLACE TEMP TABLE first_rows AS
        SELECT file, min(line) AS first_row FROM checked_{table} GROUP BY file""")
    db.execute("""
        CREATE OR REPLACE TEMP TABLE broken_rows AS
        SELECT file, line - row_number() OVER (PARTITION BY file ORDER BY line) AS readable_before FROM broken""")
    own = "(line - (SELECT first_row FROM first_rows WHERE first_rows.file = checked.file) + 1)"
    before = f"(SELECT count(*) FROM broken_rows WHERE broken_rows.file = checked.file AND readable_before < {own})"
    return f"{own} + {before}"
