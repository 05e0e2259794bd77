"""The graphs of the ablation variants, as snapshots in memory."""

from __future__ import annotations

import numpy as np
import polars as pl

from colisten.arrays import Bools
from colisten.evaluation.baselines.interaction_matrix import read_interaction_matrix
from colisten.evaluation.suite.variants import GraphVariant
from colisten.gnn.node_types import group_types
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.listening.data import ListeningData
from colisten.settings import Settings


def graph_of(variant: GraphVariant, data: ListeningData, edges: pl.DataFrame, settings: Settings) -> SnapshotAdjacency:
    """The graph that a variant learns from: items as they are numbered in `data`, then users where they are nodes.

    `edges`: `src`, `dst`, `weight` of the whole co-listening graph.
    """
    if variant.users:
        return _with_users(data, settings)
    types = group_types(data, settings.target, settings.gnn.node_types)
    kept = edges.filter(pl.Series(_kept(variant, data.of_type(settings.target), edges)))
    return SnapshotAdjacency.from_edges(
        *(kept[name].to_numpy() for name in ("src", "dst", "weight")),
        node_type=types.of_item if variant.typed else np.zeros_like(types.of_item),
        node_types=types.names if variant.typed else ("item",),
        version=variant.name,
    )


def _kept(variant: GraphVariant, is_target: Bools, edges: pl.DataFrame) -> Bools:
    ends = is_target[edges["src"].to_numpy()].astype(np.int64) + is_target[edges["dst"].to_numpy()]
    kept: Bools = np.array([variant.other_other, variant.target_other, variant.target_target])[ends]
    return kept


def _with_users(data: ListeningData, settings: Settings) -> SnapshotAdjacency:
    """Users and the items they streamed: the tripartite graph of the paper's HGNN-w-users."""
    types = group_types(data, settings.target, settings.gnn.node_types)
    users, items = read_interaction_matrix(data).streams.nonzero()
    node_type = np.concatenate([types.of_item, np.full(len(data.users), len(types.names), np.uint8)])
    return SnapshotAdjacency.from_edges(
        items.astype(np.int32),
        (users + len(data.items)).astype(np.int32),
        np.ones(len(users), np.float32),
        node_type=node_type,
        node_types=(*types.names, "(user)"),
        version="users",
    )
