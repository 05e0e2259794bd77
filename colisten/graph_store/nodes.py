"""The items as they stand in the graph: one row of properties each, the same for both writers."""

from __future__ import annotations

from hashlib import blake2b

import polars as pl

from colisten.listening.data import ListeningData

LIST_SEPARATOR = "\x1f"
"""Separates the elements of a list in the importer's files; it is taken out of them."""
_TEXTS = ("title", "language", "series")
_LISTS = ("genres", "creators")
_ROWS_AT_ONCE = 100_000


def nodes_of(data: ListeningData) -> pl.DataFrame:
    """One row per item: `item`, `id`, `item_type`, `row` and what a curator looks at.

    That is `title`, `language`, `genres`, `creators`, `published`, `series`, `series_position`, `retired`, `listeners`.
    `listeners` counts the distinct users of strong signals. Empty texts and lists become null, which Neo4j does
    not store.
    """
    items = data.items.lazy().join(data.listeners, on="item", how="left", maintain_order="left")
    element = pl.element().str.replace_all(LIST_SEPARATOR, " ", literal=True)
    lists = pl.col(*_LISTS).list.eval(element.filter(pl.element() != ""))
    return items.select(
        "item", pl.col("item_id").alias("id"), "item_type", "row",
        pl.col(*_TEXTS).replace("", None),
        # Through text: a double of the shortest decimal, 1.1, rather than that of the float32, 1.100000023841858.
        pl.col("series_position").cast(pl.String).cast(pl.Float64),
        pl.when(lists.list.len() > 0).then(lists).name.keep(),
        "published", "retired", pl.col("listeners").fill_null(0),
    ).collect(engine="streaming")  # fmt: skip


def digest(nodes: pl.DataFrame) -> str:
    """A checksum of rows as they stand, in their order."""
    found = blake2b(digest_size=16)
    for piece in nodes.iter_slices(_ROWS_AT_ONCE):
        found.update(piece.write_ndjson().encode())
    return found.hexdigest()


def graph_version(nodes: pl.DataFrame, edges: int) -> str:
    """The name of a graph: which items it joins (their numbers, ids, types) and the hash of its edges."""
    return blake2b(
        f"{digest(nodes.select('item', 'id', 'item_type', 'row'))} {edges}".encode(), digest_size=16
    ).hexdigest()
