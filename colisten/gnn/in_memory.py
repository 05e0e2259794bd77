"""The graph as an in-memory snapshot, without Neo4j: it gives the same batches."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colisten.gnn.node_types import NodeTypes
from colisten.graph_store.edge_properties import SCHEMA
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import GraphSettings

NO_EDGES = pl.DataFrame(schema=SCHEMA)
_COLUMNS = ("src", "dst", "relation", "weight")


def graph_in_memory(
    data: ListeningData, types: NodeTypes, options: GraphSettings, folder: Path, progress: Progress,
    others: pl.DataFrame = NO_EDGES,
) -> SnapshotAdjacency:  # fmt: skip
    """Build the co-listening edges of `data` into `folder` and give their adjacency, with the edges of `others`.

    `others` are of the relations in `options`, which no listening is needed to know.
    """
    build_edges(data, options, folder, progress)
    names = options.model_relations
    both = [each.select(*_COLUMNS) for each in (pl.read_parquet(folder / FILE, glob=False), others)]
    edges = pl.concat(both).filter(pl.col("relation").is_in(names))
    codes = edges["relation"].replace_strict(list(names), range(len(names)), return_dtype=pl.UInt8)
    src, dst, weight = (edges[name].to_numpy() for name in ("src", "dst", "weight"))
    return SnapshotAdjacency.from_edges(
        src, dst, weight, node_type=types.of_item, node_types=types.names, relation=codes.to_numpy(), relations=names
    )
