"""CSR from edge lists: each edge is scattered to both of its ends, then each row is sorted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from colisten.arrays import Codes, Floats, Int32s, Int64s
from colisten.compiled import compiled, on_all_cores
from colisten.ragged import offsets


class EdgeArrays(NamedTuple):
    """Some edges of one relation, each edge once."""

    src: Int32s
    dst: Int32s
    weight: Floats
    relation: int = 0
    """Place among the adjacency's relations."""


def count_ends(degrees: Int32s, node_type: Codes, node_types: int, edges: EdgeArrays) -> None:
    """Add both ends of every edge to `degrees` [items, relations × node types].

    Raises:
        ValueError: an end is not among the items, or a code not among the node types.
    """
    items, groups = degrees.shape
    ends = np.stack([edges.src, edges.dst])
    if ends.size and (ends.min() < 0 or ends.max() >= items or node_type.max() >= node_types):
        raise ValueError(f"edges lead beyond the {items} items or the {node_types} node types")
    if not 0 <= edges.relation < groups // node_types:
        raise ValueError(f"there is no relation {edges.relation} among {groups // node_types}")
    first = edges.relation * node_types
    _count_ends(degrees[:, first : first + node_types], node_type, edges.src, edges.dst)


@compiled
def _count_ends(degrees: Int32s, node_type: Codes, src: Int32s, dst: Int32s) -> None:
    for i in range(len(src)):
        degrees[src[i], node_type[dst[i]]] += 1
        degrees[dst[i], node_type[src[i]]] += 1


@compiled
def cuts(lengths: Int64s, at_most: int) -> Int64s:
    """Where to cut consecutive rows so that a piece holds `at_most` entries, or one longer row."""
    found = np.empty(len(lengths), np.int64)
    count, held = 0, 0
    for i in range(len(lengths)):
        if held > 0 and held + lengths[i] > at_most:
            found[count] = i
            count += 1
            held = 0
        held += lengths[i]
    return found[:count]


@compiled
def _scatter(
    cursor: Int64s, ends: Int64s, src: Int32s, dst: Int32s, weight: Floats, items: Int32s, weights: Floats
) -> bool:
    """Scatter every edge to both ends; `cursor` [items] is the next free place of each row. False: a row is full."""
    for i in range(len(src)):
        for item, other in ((src[i], dst[i]), (dst[i], src[i])):
            if cursor[item] == ends[item]:
                return False
            items[cursor[item]] = other
            weights[cursor[item]] = weight[i]
            cursor[item] += 1
    return True


def put_edges(
    degrees: Int32s, node_types: int, edges: Iterable[EdgeArrays], node_type: Codes, items: Int32s, weights: Floats
) -> bool:
    """Fill the rows that `degrees` [items, relations × node types] lays out with edges that come relation by relation.

    Returns whether the edges are those that `degrees` counts, as far as the counts per relation show.
    """
    indptr = offsets(degrees.sum(axis=1, dtype=np.int64))
    ends = indptr[:-1, None] + by_relation(degrees, node_types).cumsum(axis=1)
    cursor, relation = indptr[:-1].copy(), 0
    for chunk in edges:
        while relation < chunk.relation:
            if not np.array_equal(cursor, ends[:, relation]):
                return False
            relation += 1
        if not _scatter(cursor, ends[:, relation], chunk.src, chunk.dst, chunk.weight, items, weights):
            return False
    if not np.array_equal(cursor, indptr[1:]):
        return False  # what was never filled must not be looked up: compiled code checks no bounds

    def order(some: slice) -> None:
        order_rows(indptr[some.start : some.stop + 1], degrees[some], node_types, node_type, items, weights)

    deque(on_all_cores(order, len(cursor)), maxlen=0)
    return True


def by_relation(degrees: Int32s, node_types: int) -> Int64s:
    """[items, relations] neighbours of each relation."""
    found: Int64s = degrees.reshape(len(degrees), -1, node_types).sum(axis=2, dtype=np.int64)
    return found


@compiled
def order_rows(
    indptr: Int64s, degrees: Int32s, node_types: int, node_type: Codes, items: Int32s, weights: Floats
) -> None:
    """Order each row, whose relations already follow one another, by node type, then item, within each relation.

    Two items may have two edges of a directed relation, one each way: then by weight.
    """
    for row in range(len(indptr) - 1):
        low = indptr[row]
        for first in range(0, degrees.shape[1], node_types):
            high = low
            for group in range(first, first + node_types):
                high += degrees[row, group]
            order = np.argsort((node_type[items[low:high]].astype(np.int64) << 32) | items[low:high])
            items[low:high] = items[low:high][order]
            weights[low:high] = weights[low:high][order]
            for i in range(low + 1, high):
                if items[i] == items[i - 1] and weights[i] < weights[i - 1]:
                    weights[i - 1], weights[i] = weights[i], weights[i - 1]
            low = high
