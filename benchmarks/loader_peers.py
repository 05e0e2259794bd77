"""What the loader is held against: PyG in memory, one Cypher query a batch, one connection that reads all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from neo4j import Driver
from torch_geometric.data import HeteroData
from torch_geometric.loader import NeighborLoader
from torch_geometric.sampler import NeighborSampler

from benchmarks.loader_graphs import NAMES, PAIRS, RELATIONSHIPS, RandomGraph
from colisten.arrays import Floats, Int64s


def in_memory(graph: RandomGraph, features: Floats) -> HeteroData:
    """The whole graph as PyG keeps it; both types begin at the item numbers that `node_type` gives."""
    data = HeteroData()
    first = (0, int((graph.node_type == 0).sum()))
    for kind, name in enumerate(NAMES):
        data[name].x = torch.from_numpy(features[graph.node_type == kind])
    for a, b in PAIRS:
        chosen = graph.of_pair((a, b))
        low, high = graph.src[chosen].astype(np.int64) - first[a], graph.dst[chosen].astype(np.int64) - first[b]
        weight = torch.from_numpy(graph.weight[chosen])
        forth, back = torch.from_numpy(np.stack([low, high])), torch.from_numpy(np.stack([high, low]))
        if a == b:
            data[NAMES[a], "co_listened", NAMES[b]].edge_index = torch.cat([forth, back], dim=1)
            data[NAMES[a], "co_listened", NAMES[b]].edge_weight = torch.cat([weight, weight])
            continue
        data[NAMES[a], "co_listened", NAMES[b]].edge_index = forth
        data[NAMES[a], "co_listened", NAMES[b]].edge_weight = weight
        data[NAMES[b], "co_listened", NAMES[a]].edge_index = back
        data[NAMES[b], "co_listened", NAMES[a]].edge_weight = weight
    return data


def neighbour_loaders(data: HeteroData, fan_out: list[int], batch_size: int) -> list[NeighborLoader]:
    """PyG's loader with 0, 2 and 4 workers, over one node type (it takes no mixed seeds; sampling works the same from
    either). They share one sampler, which holds a copy of the graph."""
    sampler = NeighborSampler(data, dict.fromkeys(data.edge_types, fan_out))
    return [
        NeighborLoader(
            data, sampler.num_neighbors, input_nodes=NAMES[1], batch_size=batch_size, shuffle=True,
            num_workers=workers, neighbor_sampler=sampler,
        )
        for workers in (0, 2, 4)
    ]  # fmt: skip


def _hop(node: str, far: str, edge: str, fan_out: int) -> str:
    pattern = "|".join(RELATIONSHIPS)
    arms = (
        f"MATCH ({node})-[{edge}:{pattern}]-({far}:{name}) RETURN {edge}, {far} ORDER BY rand() LIMIT {fan_out}"
        for name in NAMES
    )
    return f"CALL ({node}) {{ {' UNION ALL '.join(arms)} }}"


def cypher_query(fan_out: list[int]) -> str:
    """Two hops in one query, so many random neighbours per type, each node of the frontier expanded once."""
    return (
        f"UNWIND $seeds AS seed MATCH (a:Item {{item: seed}}) {_hop('a', 'b', 'r', fan_out[0])} "
        "WITH collect(a.item) AS dst1, collect(b.item) AS src1, collect(r.weight) AS weight1, "
        "collect(DISTINCT b) AS frontier "
        f"UNWIND frontier AS c {_hop('c', 'd', 's', fan_out[1])} "
        "RETURN dst1, src1, weight1, collect(c.item) AS dst2, collect(d.item) AS src2, collect(s.weight) AS weight2"
    )


def cypher_batches(
    driver: Driver, graph: RandomGraph, features: Floats, seeds: list[Int64s], fan_out: list[int]
) -> Iterator[HeteroData]:
    """One query per batch over one connection, then HeteroData."""
    query = cypher_query(fan_out)
    with driver.session(fetch_size=-1) as session:
        for part in seeds:
            found = session.run(query, seeds=part.tolist()).single(strict=True)
            ends = [np.array(found[name + "1"] + found[name + "2"], np.int64) for name in ("src", "dst")]
            weight = np.array(found["weight1"] + found["weight2"], np.float32)
            yield _hetero(graph, features, part, ends[0], ends[1], weight)


def _hetero(
    graph: RandomGraph, features: Floats, seeds: Int64s, src: Int64s, dst: Int64s, weight: Floats
) -> HeteroData:
    items, inverse = np.unique(np.concatenate([seeds, src, dst]), return_inverse=True)
    kinds = graph.node_type[items]
    within = np.where(kinds == 0, np.cumsum(kinds == 0), np.cumsum(kinds == 1)) - 1
    a, b = np.split(inverse[len(seeds) :], 2)
    data = HeteroData()
    for kind, name in enumerate(NAMES):
        data[name].x = torch.from_numpy(features[items[kinds == kind]])
        for other, far in enumerate(NAMES):
            chosen = (kinds[a] == kind) & (kinds[b] == other)
            data[name, "co_listened", far].edge_index = torch.from_numpy(
                np.stack([within[a[chosen]], within[b[chosen]]])
            )
            data[name, "co_listened", far].edge_weight = torch.from_numpy(weight[chosen])
    return data


def read_some(driver: Driver, one_in: int) -> int:
    """The edges of one in so many items over one connection, collected row by row; gives how many."""
    query = (
        f"MATCH (a:Item)-[r:{'|'.join(RELATIONSHIPS)}]->(b:Item) WHERE a.item % $one_in = 0 "
        "RETURN a.item, collect(b.item), collect(r.weight)"
    )
    edges = 0
    with driver.session(fetch_size=10_000) as session:
        for item, others, weights in session.run(query, one_in=one_in):
            ends = np.full(len(others), item, np.int32), np.array(others, np.int32), np.array(weights, np.float32)
            edges += len(ends[0])
    return edges
