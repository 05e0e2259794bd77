"""Building rows out of edges: each edge is put down at both of its ends, then each row is ordered."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from colisten.arrays import Codes, Floats, Int32s, Int64s
from colisten.compiled import compiled

EdgeArrays = tuple[Int32s, Int32s, Floats]
"""(src, dst, weight) of some edges, each edge once."""


def count_ends(degrees: Int32s, node_type: Codes, src: Int32s, dst: Int32s) -> None:
    """Add both ends of every edge to `degrees` [items, node types].

    Raises:
        ValueError: an end is not among the items, or a code not among the node types.
    """
    items, types = degrees.shape
    ends = np.stack([src, dst])
    if ends.size and (ends.min() < 0 or ends.max() >= items or node_type.max() >= types):
        raise ValueError(f"edges lead beyond the {items} items or the {types} node types")
    _count_ends(degrees, node_type, src, dst)


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
    """Put every edge down at both ends; `cursor` [items] is the next free place of each row. False: a row is full."""
    for i in range(len(src)):
        for item, other in ((src[i], dst[i]), (dst[i], src[i])):
            if cursor[item] == ends[item]:
                return False
            items[cursor[item]] = other
            weights[cursor[item]] = weight[i]
            cursor[item] += 1
    return True


def put_edges(indptr: Int64s, edges: Iterable[EdgeArrays], node_type: Codes, items: Int32s, weights: Floats) -> bool:
    """Fill rows that begin at `indptr` with a stream of edges, in order; False if they are not of these lengths."""
    cursor = indptr[:-1].copy()
    for src, dst, weight in edges:
        if not _scatter(cursor, indptr[1:], src, dst, weight, items, weights):
            return False
    if not np.array_equal(cursor, indptr[1:]):
        return False  # what was never filled must not be looked up: compiled code checks no bounds
    threads = os.cpu_count() or 1
    parts = np.linspace(0, len(cursor), 4 * threads + 1).astype(np.int64)
    with ThreadPoolExecutor(threads) as pool:
        waiting = [
            pool.submit(order_rows, indptr[low : high + 1], node_type, items, weights) for low, high in pairwise(parts)
        ]
    for part in waiting:
        part.result()
    return True


@compiled
def order_rows(indptr: Int64s, node_type: Codes, items: Int32s, weights: Floats) -> None:
    """Order each row by node type, then item, in place."""
    for row in range(len(indptr) - 1):
        low, high = indptr[row], indptr[row + 1]
        order = np.argsort((node_type[items[low:high]].astype(np.int64) << 32) | items[low:high])
        items[low:high] = items[low:high][order]
        weights[low:high] = weights[low:high][order]
