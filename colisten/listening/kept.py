"""The data of an earlier import as a source of another one: what was read once need not be given again."""

from __future__ import annotations

from typing import Any

import duckdb

from colisten.listening.contract import AVAILABILITY, INTERACTIONS, ITEMS, RELATIONS, TABLES, USERS, literal
from colisten.listening.data import ListeningData
from colisten.listening.files import FILE, LINE
from colisten.listening.raw import Raw, columns_of

_NO_AVAILABILITY = """(
    SELECT NULL::INTEGER AS item, NULL::VARCHAR AS country, NULL::BIGINT AS "from", NULL::BIGINT AS until,
        0::BIGINT AS file_row_number WHERE false
)"""


def open_kept(db: duckdb.DuckDBPyConnection, data: ListeningData) -> dict[str, Raw]:
    """Make the views `raw_<table>` of all tables, as `open_table` does from files of a platform."""
    items, users, relations, availability, interactions = (
        f"read_parquet({literal(str(data.root / f'{name}.parquet'))}, file_row_number = true)"
        for name in ("items", "users", "relations", "availability", "interactions")
    )
    if not (data.root / "availability.parquet").exists():  # an import from before there was such a table
        availability = _NO_AVAILABILITY
    named = f"SELECT item, item_id, item_type FROM {items}"
    signals = ", ".join(map(literal, data.signals))
    rows = {
        ITEMS.name: f'SELECT * EXCLUDE (item, "row", retired) FROM {items} WHERE NOT retired',
        USERS.name: f'SELECT * EXCLUDE ("user") FROM {users}',
        RELATIONS.name: f"SELECT src_item_id, dst_item_id, relation, weight, file_row_number FROM {relations} "
        f"JOIN (SELECT item AS src, item_id AS src_item_id FROM ({named})) USING (src) "
        f"JOIN (SELECT item AS dst, item_id AS dst_item_id FROM ({named})) USING (dst)",
        AVAILABILITY.name: f'SELECT item_id, country, "from", until, rows.file_row_number FROM {availability} AS rows '
        f"JOIN ({named}) USING (item)",
        INTERACTIONS.name: f"SELECT user_id, item_id, item_type, [{signals}][signal + 1] AS signal, timestamp, value, "
        f"events.file_row_number FROM {interactions} AS events "
        f'JOIN (SELECT "user", user_id FROM {users}) USING ("user") JOIN ({named}) USING (item)',
    }
    for table in TABLES:
        db.execute(
            f"CREATE VIEW raw_{table.name} AS SELECT * EXCLUDE (file_row_number), {literal(table.name)} AS "
            f'"{FILE}", file_row_number + 1 AS "{LINE}" FROM ({rows[table.name]})'
        )
    return {table.name: Raw(columns_of(db, f"FROM raw_{table.name}"), typed=True) for table in TABLES}


def keep_rejected(db: duckdb.DuckDBPyConnection, data: ListeningData) -> None:
    """Fill `rejected` with the rows that were set aside then: those that are here were all usable."""
    path = literal(str(data.root / "rejected.parquet"))
    db.execute("DELETE FROM rejected")
    db.execute(f"INSERT INTO rejected SELECT '', file, line, reason, row, false FROM read_parquet({path})")


def with_counts_of(data: ListeningData, summary: dict[str, Any]) -> dict[str, Any]:
    """The summary with what was told of rows that are no longer there to be counted."""
    before = data.summary
    gone = {name: before["counts"][name] + summary["counts"][name] for name in ("duplicates", "ignored", "taste")}
    return summary | {
        "counts": summary["counts"] | gone, "unread": before["unread"], "source": before.get("source"),
    }  # fmt: skip
