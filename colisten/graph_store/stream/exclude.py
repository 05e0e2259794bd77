"""Edges that a batch must not see: its own supervision pairs, and edges held out for validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from colisten.arrays import Int64s
from colisten.compiled import compiled
from colisten.graph_store.stream.keys import mix, pair_hash, unit

ItemPairs = tuple[Int64s, Int64s]
"""Two arrays of items, [n] each: edge `i` joins `pairs[0][i]` and `pairs[1][i]`, in either order."""


class HeldOutEdges(NamedTuple):
    """The `share` of all edges, chosen by hash and `seed`, that never carries a message."""

    share: float
    seed: int


class Excluded(NamedTuple):
    """What the compiled loops test: a hash set of (batch, pair) and the held-out share."""

    pairs: Int64s
    items: int
    share: float
    seed: int


@compiled
def _slot(key: int, size: int) -> np.int64:
    return np.int64(mix(np.uint64(key)) & np.uint64(size - 1))


@compiled
def _fill(table: Int64s, keys: Int64s) -> None:
    for key in keys:
        at = _slot(key, len(table))
        while table[at] != -1:
            at = (at + 1) & (len(table) - 1)
        table[at] = key


@compiled
def admissible(excluded: Excluded, batch: int, item: int, other: int) -> bool:
    """Whether a message of `batch` may pass between two items."""
    if excluded.share > 0.0 and unit(pair_hash(item, other, excluded.seed)) < excluded.share:
        return False
    table = excluded.pairs
    if len(table) == 1:
        return True
    key = (batch * excluded.items + min(item, other)) * excluded.items + max(item, other)
    at = _slot(key, len(table))
    while table[at] != -1:
        if table[at] == key:
            return False
        at = (at + 1) & (len(table) - 1)
    return True


def exclude(pairs: Sequence[ItemPairs | None], held_out: HeldOutEdges | None, items: int) -> Excluded:
    """Excluded pairs of each batch, in one hash set at most half full."""
    keys = [_pair_keys(batch, found, items) for batch, found in enumerate(pairs) if found is not None]
    together = np.concatenate(keys) if keys else np.empty(0, np.int64)
    table = np.full(1 << int(len(together) * 2).bit_length() if len(together) else 1, -1, np.int64)
    _fill(table, together)
    share, seed = held_out or HeldOutEdges(0.0, 0)
    return Excluded(table, items, float(share), int(seed))


def _pair_keys(batch: int, pairs: ItemPairs, items: int) -> Int64s:
    first, second = (np.asarray(side, np.int64) for side in pairs)
    return (batch * items + np.minimum(first, second)) * items + np.maximum(first, second)
