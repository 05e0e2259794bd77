"""Incremental writing of items: created or updated, never deleted (a retired item keeps its node and its number)."""

from __future__ import annotations

from typing import Any

import polars as pl
from neo4j import Driver, Record

from colisten.graph_store.failures import retried
from colisten.graph_store.schema import ITEM, label_of
from colisten.progress import Progress

_ROWS_COMPARED = 100_000


def write_nodes(driver: Driver, database: str, nodes: pl.DataFrame, *, batch: int, progress: Progress) -> int:
    """Make the items in the database those of `nodes` (see `nodes.nodes_of`); returns how many were written."""
    written = 0
    with progress.task("items to Neo4j", total=nodes.height) as task:
        for wanted in nodes.iter_slices(_ROWS_COMPARED):
            changed = wanted.join(_stored(driver, database, wanted), on=wanted.columns, how="anti", nulls_equal=True)
            for piece in changed.iter_slices(batch):
                _upsert(driver, database, piece)
            written += changed.height
            task.advance(wanted.height)
    return written


def is_same_catalogue(driver: Driver, database: str, nodes: pl.DataFrame) -> bool:
    """Whether every item in the database is the item of that number in `nodes`: else another folder numbered them."""
    with driver.session(database=database) as session:
        rows = session.run(f"MATCH (n:{ITEM}) WHERE n.item IS NOT NULL RETURN n.item, n.id").values()
    stored = pl.DataFrame(rows, {"item": pl.Int32, "id": pl.String}, orient="row")
    return stored.join(nodes, on=["item", "id"], how="anti").is_empty()


def _stored(driver: Driver, database: str, like: pl.DataFrame) -> pl.DataFrame:
    """The rows that the database holds of the items of `like`, in the same columns."""
    labels = {label_of(item_type): item_type for item_type in like["item_type"].unique()}
    properties = ", ".join(f"n.{name} AS {name}" for name in like.columns if name != "item_type")
    query = f"MATCH (n:{ITEM}) WHERE $first <= n.item <= $last RETURN labels(n) AS labels, {properties}"
    first, last = int(like["item"][0]), int(like["item"][-1])
    with driver.session(database=database) as session:
        rows = [_row(record, labels) for record in session.run(query, first=first, last=last)]
    return pl.DataFrame(rows, like.schema)


def _row(record: Record, labels: dict[str, str]) -> dict[str, Any]:
    row = record.data()
    item_type = next((labels[label] for label in row.pop("labels") if label in labels), None)
    published = row["published"] and row["published"].to_native()
    return row | {"item_type": item_type, "published": published}


def _upsert(driver: Driver, database: str, rows: pl.DataFrame) -> None:
    # `+=` takes away what is null here and leaves alone the properties that are not ours.
    query = f"""
        UNWIND range(0, size($rows) - 1) AS i
        MERGE (n:{ITEM} {{item: $rows[i].item}})
        SET n += $rows[i], n:$($labels[i])
    """
    given = {"rows": rows.drop("item_type").to_dicts(), "labels": [label_of(name) for name in rows["item_type"]]}
    retried(lambda: driver.execute_query(query, given, database_=database))
