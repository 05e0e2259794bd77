"""The co-listening graph as an in-memory snapshot, without Neo4j: it gives the same batches."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colisten.gnn.node_types import NodeTypes
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.edges import FILE, build_edges
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import GraphSettings


def graph_in_memory(
    data: ListeningData, types: NodeTypes, options: GraphSettings, folder: Path, progress: Progress
) -> SnapshotAdjacency:
    """Build the edges of `data` into `folder` and give their adjacency."""
    build_edges(data, options, folder, progress)
    edges = pl.read_parquet(folder / FILE)
    codes = edges["relation"].replace_strict([CO_LISTENED], [0], return_dtype=pl.UInt8)
    src, dst, weight = (edges[name].to_numpy() for name in ("src", "dst", "weight"))
    return SnapshotAdjacency.from_edges(
        src, dst, weight, node_type=types.of_item, node_types=types.names, relation=codes.to_numpy()
    )
