"""Supervision edges, drawn uniformly over the edges of one type without a scan of the edges.

The two ends of all edges of a type are numbered by the degrees alone: node 0's neighbours of the other type first, then
node 1's, and so on. A keyed permutation of these numbers, looked at from its beginning for as long as needed, is a
draw without replacement; only the rows it hits are read.
"""

from __future__ import annotations

from contextlib import closing

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.compiled import compiled
from colisten.graph_store.edge_type import EdgeType
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.keys import held_out as is_held_out
from colisten.graph_store.stream.keys import mix
from colisten.ragged import offsets

WeightedEdges = tuple[Int64s, Int64s, Floats]
_ROUNDS = 6


def edges_of_type(
    adjacency: Adjacency,
    edge_type: EdgeType,
    count: int,
    key: np.uint64,
    split: HeldOutEdges | None,
    held_out: bool,
) -> WeightedEdges:
    """Up to `count` distinct edges of a type: (src, dst, weight), in random order.

    Uniform over all edges of the type that are held out (`held_out`) or not, by `split`; fewer than `count` only if
    there are no more. `src` is of type `edge_type.src`, `dst` of type `edge_type.dst`; within
    one node type, `src < dst`.
    """
    a, b = (adjacency.node_types.index(name) for name in (edge_type.src, edge_type.dst))
    low, high = min(a, b), max(a, b)
    group = adjacency.group(edge_type.relation, adjacency.node_types[high])
    nodes = np.flatnonzero(adjacency.node_type == low)
    ends = offsets(adjacency.degrees[nodes, group])
    share = split.share if split else 0.0
    kept = (share if held_out else 1 - share) * (0.5 if low == high else 1.0)
    found: list[WeightedEdges] = []
    begin, left = 0, count
    while left > 0 and begin < ends[-1] and kept > 0:
        end = min(int(ends[-1]), begin + int(left / kept * 1.05) + 64)
        numbers = permuted(begin, end, int(ends[-1]), key)
        edges = _edges_at(adjacency, nodes, ends, numbers, group)
        keep = (edges[0] < edges[1]) if low == high else np.ones(len(numbers), np.bool_)
        keep &= _belongs(edges, split, held_out)
        found.append((edges[0][keep][:left], edges[1][keep][:left], edges[2][keep][:left]))
        begin, left = end, left - len(found[-1][0])
    src, dst, weight = _joined(found)
    return (src, dst, weight) if a <= b else (dst, src, weight)


def _belongs(edges: WeightedEdges, split: HeldOutEdges | None, held_out: bool) -> Bools:
    share, seed = split or HeldOutEdges(0.0, 0)
    outside = is_held_out(edges[0], edges[1], share, seed)
    return outside if held_out else ~outside


def _edges_at(adjacency: Adjacency, nodes: Int64s, ends: Int64s, numbers: Int64s, group: int) -> WeightedEdges:
    """The edges behind end `numbers`, read row by row."""
    at = np.searchsorted(ends, numbers, side="right") - 1
    src = nodes[at]
    within = numbers - ends[at] + adjacency.degrees[src, :group].sum(axis=1, dtype=np.int64)
    asked, inverse = np.unique(src, return_inverse=True)
    by_row = np.argsort(inverse, kind="stable")
    bounds = offsets(np.bincount(inverse, minlength=len(asked)))
    dst, weight = np.empty(len(src), np.int64), np.empty(len(src), np.float32)
    with closing(adjacency.rows(asked)) as pieces:
        for rows in pieces:
            start = np.full(len(asked), -1, np.int64)
            start[rows.asked] = rows.start
            which = by_row[np.repeat(start >= 0, np.diff(bounds))]
            place = start[inverse[which]] + within[which]
            dst[which], weight[which] = rows.items[place], rows.weights[place]
    return src, dst, weight


def _joined(found: list[WeightedEdges]) -> WeightedEdges:
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    src, dst, weight = (np.concatenate(side) for side in zip(*found, strict=True))
    return src, dst, weight


@compiled
def permuted(begin: int, end: int, size: int, key: np.uint64) -> Int64s:
    """Places `begin … end - 1` of a random order of 0 … `size` - 1.

    A Feistel network over the next even power of two, walked until it falls below `size` (Black & Rogaway, 2002).
    """
    half = 1
    while (1 << (2 * half)) < size:
        half += 1
    low = np.uint64((1 << half) - 1)
    out = np.empty(end - begin, np.int64)
    for i in range(begin, end):
        place = np.uint64(i)
        while True:
            left, right = place >> np.uint64(half), place & low
            for turn in range(_ROUNDS):
                left, right = right, left ^ (mix(mix(np.uint64(key) + np.uint64(turn)) ^ right) & low)
            place = (left << np.uint64(half)) | right
            if place < np.uint64(size):
                break
        out[i - begin] = np.int64(place)
    return out
