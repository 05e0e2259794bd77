"""A sampled neighbourhood as PyG's `HeteroData`: nodes and edges grouped by type, each still hop by hop."""

from __future__ import annotations

import numpy as np
import torch
from torch_geometric.data import HeteroData

from colisten.arrays import Codes, Floats, Int64s
from colisten.compiled import compiled
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.features import Features, rows_of
from colisten.graph_store.stream.neighbourhood import Neighbourhood


def to_hetero_data(neighbourhood: Neighbourhood, adjacency: Adjacency, features: Features | None = None) -> HeteroData:
    """Node types with `n_id` (items), `x` (their rows of `features`), `num_sampled_nodes`; edge types with
    `edge_index`, `edge_weight`, `num_sampled_edges`.

    Every node and edge type is there, if empty; `("podcast", "co_listened", "audiobook")` carries messages to
    audiobooks. Nodes of a type stand seeds first, edges of a type in the order of their destinations. `batch.place` [n]
    says where each node of the neighbourhood went within its type: the seeds' vectors are found by it.
    """
    types, relations = len(adjacency.node_types), len(adjacency.relations)
    parts = _apart(
        neighbourhood.nodes, adjacency.node_type, types, neighbourhood.src, neighbourhood.dst,
        neighbourhood.weight, neighbourhood.relation, relations, np.array(neighbourhood.nodes_per_hop),
        np.array(neighbourhood.edges_per_hop),
    )  # fmt: skip
    place, items, node_counts, ends, weight, edge_counts = parts
    data = HeteroData()
    data.place = torch.from_numpy(place)
    nodes = np.split(items, np.cumsum(node_counts.sum(axis=0))[:-1])
    for code, name in enumerate(adjacency.node_types):
        data[name].n_id = torch.from_numpy(nodes[code])
        data[name].num_nodes = len(nodes[code])
        data[name].num_sampled_nodes = node_counts[:, code].tolist()
        if features is not None:
            data[name].x = torch.from_numpy(rows_of(features, nodes[code]))
    begin = 0
    for code, edge_type in enumerate(adjacency.edge_types):
        end = begin + int(edge_counts[:, code].sum())
        data[edge_type].edge_index = torch.from_numpy(ends[2 * begin : 2 * end].reshape(2, -1))
        data[edge_type].edge_weight = torch.from_numpy(weight[begin:end])
        data[edge_type].num_sampled_edges = edge_counts[:, code].tolist()
        begin = end
    return data


@compiled
def _count(codes: Int64s, per_hop: Int64s, kinds: int) -> Int64s:
    """[hops, kinds] how often each code comes in each hop."""
    counts = np.zeros((len(per_hop), kinds), np.int64)
    at = 0
    for hop in range(len(per_hop)):
        for _ in range(per_hop[hop]):
            counts[hop, codes[at]] += 1
            at += 1
    return counts


@compiled
def _starts(counts: Int64s) -> Int64s:
    """[kinds + 1] where each kind begins once all are sorted by kind."""
    starts = np.zeros(counts.shape[1] + 1, np.int64)
    starts[1:] = np.cumsum(counts.sum(axis=0))
    return starts


@compiled
def _apart(
    nodes: Int64s, node_type: Codes, types: int, src: Int64s, dst: Int64s, weight: Floats, relation: Codes,
    relations: int, nodes_per_hop: Int64s, edges_per_hop: Int64s,
) -> tuple[Int64s, Int64s, Int64s, Int64s, Floats, Int64s]:  # fmt: skip
    """Stable counting sorts of nodes by type and edges by edge type; `ends` holds each edge type's sources, then its
    destinations."""
    codes = node_type[nodes].astype(np.int64)
    node_counts = _count(codes, nodes_per_hop, types)
    starts = _starts(node_counts)
    place, items, cursor = np.empty(len(nodes), np.int64), np.empty(len(nodes), np.int64), starts.copy()
    for i in range(len(nodes)):
        items[cursor[codes[i]]] = nodes[i]
        place[i] = cursor[codes[i]] - starts[codes[i]]
        cursor[codes[i]] += 1
    kinds = np.empty(len(src), np.int64)
    for i in range(len(src)):
        kinds[i] = (codes[src[i]] * relations + relation[i]) * types + codes[dst[i]]
    edge_counts = _count(kinds, edges_per_hop, types * relations * types)
    starts = _starts(edge_counts)
    ends, sorted_weight, cursor = np.empty(2 * len(src), np.int64), np.empty(len(src), np.float32), starts.copy()
    for i in range(len(src)):
        kind = kinds[i]
        at = starts[kind] + cursor[kind]
        ends[at] = place[src[i]]
        ends[at + starts[kind + 1] - starts[kind]] = place[dst[i]]
        sorted_weight[cursor[kind]] = weight[i]
        cursor[kind] += 1
    return place, items, node_counts, ends, sorted_weight, edge_counts
