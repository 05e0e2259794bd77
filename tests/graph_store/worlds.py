"""Small listening folders for the graph, by the data contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from colisten.graph_store.edge_properties import scan_edges
from colisten.listening.data import ListeningData
from tests.worlds import Event, Relation, write_listening

Listen = Event


def add_edges(edges: Path, more: pl.DataFrame) -> None:
    """Put further rows into an edges file."""
    present = scan_edges(pl.scan_parquet(edges)).select(more.columns).collect()
    pl.concat([present, more]).write_parquet(edges)


def listening(
    folder: Path, types: Sequence[str], listens: Sequence[Listen], *, retired: Sequence[int] = (),
    relations: Sequence[Relation] = (), **columns: Sequence[object],
) -> ListeningData:  # fmt: skip
    """A folder with one item per entry of `types`, all with genres; `columns` replace item columns."""
    items = range(len(types))
    defaults: dict[str, Sequence[object]] = {
        "item_id": [f"{name}-{item}" for item, name in enumerate(types)],
        "title": [f"Title of {item}" for item in items],
        "language": ["en"] * len(types),
        "genres": [["crime", "history"]] * len(types),
        "retired": [item in retired for item in items],
    }
    return write_listening(folder, types, listens, items=defaults | columns, relations=relations)
