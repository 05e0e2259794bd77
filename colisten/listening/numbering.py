"""Dense ids of items: `item` and `row` are assigned once and kept for life."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from colisten.listening.contract import ITEMS, literal

_CATALOGUE = ", ".join(column.name for column in ITEMS.columns)


def read_earlier(db: duckdb.DuckDBPyConnection, earlier: Path | None) -> None:
    """Make `earlier_items` from the items file of an earlier import, empty without one."""
    if earlier and earlier.exists():
        db.execute(f"CREATE TABLE earlier_items AS FROM read_parquet({literal(str(earlier))})")
        return
    columns = ", ".join(f"{column.name} {column.kind.sql_type}" for column in ITEMS.columns)
    db.execute(f"CREATE TABLE earlier_items (item INTEGER, {columns}, row INTEGER, retired BOOLEAN)")


def number_items(db: duckdb.DuckDBPyConnection, taste: Sequence[str]) -> None:
    """Make `numbered_items` (columns of items.parquet) from `checked_items` and `earlier_items`.

    Items of earlier imports keep `item` and `row`; new ones follow in the order of (type, id); those that left the
    catalogue are retired and keep their last metadata. Items of `taste` types get no number.
    """
    tastes = ", ".join(map(literal, taste)) or "NULL"
    db.execute(f"""
        CREATE TABLE numbered_items AS
        WITH catalogue AS (
            SELECT {_CATALOGUE} FROM checked_items
            WHERE reason IS NULL AND coalesce(item_type NOT IN ({tastes}), true)),
        used AS (SELECT item_type, max(row) + 1 AS rows FROM earlier_items GROUP BY item_type),
        fresh AS (
            SELECT (SELECT coalesce(max(item) + 1, 0) FROM earlier_items)
                    + row_number() OVER (ORDER BY item_type, item_id) - 1 AS item,
                {_CATALOGUE},
                coalesce(rows, 0) + row_number() OVER (PARTITION BY item_type ORDER BY item_id) - 1 AS row
            FROM catalogue LEFT JOIN used USING (item_type)
            WHERE item_id NOT IN (SELECT item_id FROM earlier_items)),
        known AS (SELECT earlier.item, catalogue.*, earlier.row
                  FROM earlier_items AS earlier JOIN catalogue USING (item_id)),
        vanished AS (SELECT item, {_CATALOGUE}, row FROM earlier_items
                     WHERE item_id NOT IN (SELECT item_id FROM catalogue)),
        together AS (SELECT *, false AS retired FROM fresh UNION ALL SELECT *, false FROM known
                     UNION ALL SELECT *, true FROM vanished)
        SELECT item::INTEGER AS item, item_id, item_type, row::INTEGER AS row,
            {_CATALOGUE.removeprefix("item_id, item_type, ")}, retired
        FROM together ORDER BY item""")


def item_types(db: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """All item types in the order of their codes: that of their first item, so that a new type changes no code."""
    found = db.execute("SELECT item_type FROM numbered_items GROUP BY item_type ORDER BY min(item)").fetchall()
    return tuple(name for (name,) in found)
