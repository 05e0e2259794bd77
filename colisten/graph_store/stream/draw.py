"""Drawing neighbours of one node: a quota per group (relation, node type), filled at random, by weight or by rank."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from colisten.arrays import Codes, Floats, Int32s, Int64s
from colisten.compiled import compiled
from colisten.graph_store.stream.exclude import Excluded, admissible
from colisten.graph_store.stream.keys import Keys, below, mix, unit

UNIFORM, WEIGHTED, TOP = 0, 1, 2

_LEAST = 1e-30
"""Stands in for a weight of zero, so that a weighted draw comes to an end."""


class Requests(NamedTuple):
    """Draws to make from the rows at hand: [q] each."""

    row: Int64s
    """Which of the rows."""
    batch: Int64s
    key: Keys
    slot: Int64s
    """Where the drawn neighbours go in the output."""


class Pool(NamedTuple):
    """The rows at hand: [r] each, and what they point into."""

    item: Int64s
    start: Int64s
    degrees: Int32s
    """[r, relations × node types]"""
    items: Int32s
    weights: Floats
    node_types: int


class Scratch(NamedTuple):
    """Room for one row at a time."""

    order: Int64s
    """0, 1, 2, …: put back so after each use."""
    swap: Int64s
    total: Int64s
    used: Codes


class Drawn(NamedTuple):
    """The output: neighbours of request `q` at `slot[q]:slot[q] + count[q]`."""

    items: Int32s
    weights: Floats
    relations: Codes
    """Empty where there is only one relation."""


@compiled
def allocate_quota(supply: Int64s, fan_out: int, refill: bool, take: Int64s) -> None:
    """Fill `take`: each group its `fan_out` at most, unused slots shared out among the others."""
    spare = 0
    for t in range(len(supply)):
        take[t] = min(supply[t], fan_out)
        spare += fan_out - take[t]
    while refill and spare > 0:
        open_groups = 0
        for t in range(len(supply)):
            open_groups += take[t] < supply[t]
        if open_groups == 0:
            return
        part = max(1, spare // open_groups)
        for t in range(len(supply)):
            more = min(part, supply[t] - take[t], spare)
            take[t] += more
            spare -= more


@compiled
def _supply(pool: Pool, excluded: Excluded, batch: int, item: int, low: int, degree: int, cap: int) -> int:
    """How many neighbours of one group may be drawn, counted up to `cap`."""
    found = 0
    for at in range(low, low + degree):
        found += admissible(excluded, batch, item, pool.items[at])
        if found == cap:
            break
    return found


@compiled
def _all(pool: Pool, excluded: Excluded, batch: int, item: int, low: int, degree: int, out: Drawn, slot: int) -> int:
    for at in range(low, low + degree):
        if admissible(excluded, batch, item, pool.items[at]):
            out.items[slot] = pool.items[at]
            out.weights[slot] = pool.weights[at]
            slot += 1
    return slot


@compiled
def _uniform(
    pool: Pool, excluded: Excluded, batch: int, item: int, low: int, degree: int, take: int, key: np.uint64,
    scratch: Scratch, out: Drawn, slot: int,
) -> int:  # fmt: skip
    """The first admissible ones of a random order, of which only as much is made as is looked at."""
    order, swap = scratch.order, scratch.swap
    end = slot + take
    looked = 0
    while slot < end:
        key = mix(key)
        other = looked + below(key, degree - looked)
        order[looked], order[other] = order[other], order[looked]
        swap[looked] = other
        at = low + order[looked]
        looked += 1
        if admissible(excluded, batch, item, pool.items[at]):
            out.items[slot] = pool.items[at]
            out.weights[slot] = pool.weights[at]
            slot += 1
    for i in range(looked - 1, -1, -1):
        order[i], order[swap[i]] = order[swap[i]], order[i]
    return slot


@compiled
def _running_total(pool: Pool, low: int, degree: int, scratch: Scratch) -> float:
    total = 0.0
    for i in range(degree):
        if not scratch.used[i]:
            total += max(pool.weights[low + i], _LEAST)
        scratch.total[i] = total
    return total


@compiled
def _weighted(
    pool: Pool, excluded: Excluded, batch: int, item: int, low: int, degree: int, take: int, key: np.uint64,
    scratch: Scratch, out: Drawn, slot: int,
) -> int:  # fmt: skip
    """One after the other without replacement, each in proportion to its weight among those left.

    A neighbour met again is passed over, which leaves the distribution as it should be; the running totals are then
    made anew without all those seen, so that a dominant weight does not stall the draw.
    """
    end = slot + take
    scratch.used[:degree] = 0
    total = _running_total(pool, low, degree, scratch)
    while slot < end:
        key = mix(key)
        i = np.searchsorted(scratch.total[:degree], unit(key) * total, side="right")
        if i >= degree or scratch.used[i]:
            total = _running_total(pool, low, degree, scratch)
            continue
        scratch.used[i] = 1
        at = low + i
        if admissible(excluded, batch, item, pool.items[at]):
            out.items[slot] = pool.items[at]
            out.weights[slot] = pool.weights[at]
            slot += 1
    return slot


@compiled
def _top(
    pool: Pool, excluded: Excluded, batch: int, item: int, low: int, degree: int, take: int, out: Drawn, slot: int
) -> int:
    """The heaviest ones, heaviest first; of equal weights the lower item."""
    kept = 0
    for at in range(low, low + degree):
        weight = pool.weights[at]
        if kept == take and weight <= out.weights[slot + kept - 1]:
            continue
        if not admissible(excluded, batch, item, pool.items[at]):
            continue
        i = slot + min(kept, take - 1)
        while i > slot and out.weights[i - 1] < weight:
            out.items[i] = out.items[i - 1]
            out.weights[i] = out.weights[i - 1]
            i -= 1
        out.items[i] = pool.items[at]
        out.weights[i] = weight
        kept = min(kept + 1, take)
    return slot + kept


@compiled
def _fill(
    how: int, pool: Pool, excluded: Excluded, batch: int, item: int, low: int, degree: int, take: int,
    key: np.uint64, scratch: Scratch, out: Drawn, slot: int,
) -> int:  # fmt: skip
    if take == degree:
        return _all(pool, excluded, batch, item, low, degree, out, slot)
    if how == TOP:
        return _top(pool, excluded, batch, item, low, degree, take, out, slot)
    if how == WEIGHTED:
        return _weighted(pool, excluded, batch, item, low, degree, take, key, scratch, out, slot)
    return _uniform(pool, excluded, batch, item, low, degree, take, key, scratch, out, slot)


@compiled
def scratch_for(longest: int) -> Scratch:
    """Room for rows of at most `longest` neighbours of one group."""
    return Scratch(
        np.arange(longest), np.empty(longest, np.int64), np.empty(longest, np.float64), np.empty(longest, np.uint8)
    )


@compiled
def draw(
    how: int, fan_out: int, refill: bool, requests: Requests, pool: Pool, excluded: Excluded, out: Drawn
) -> Int64s:
    """Draw for every request and return how many each got, [q]."""
    groups = pool.degrees.shape[1]
    cap = fan_out * groups if refill else fan_out
    filtered = excluded.share > 0.0 or len(excluded.pairs) > 1
    scratch = scratch_for(max(1, pool.degrees.max()) if len(pool.degrees) else 1)
    supply, take = np.empty(groups, np.int64), np.empty(groups, np.int64)
    counts = np.empty(len(requests.row), np.int64)
    for q in range(len(requests.row)):
        row, batch, slot = requests.row[q], requests.batch[q], requests.slot[q]
        item, low = pool.item[row], pool.start[row]
        for t in range(groups):
            degree = pool.degrees[row, t]
            supply[t] = _supply(pool, excluded, batch, item, low, degree, cap) if filtered else degree
            low += degree
        allocate_quota(supply, fan_out, refill, take)
        low = pool.start[row]
        for t in range(groups):
            degree = pool.degrees[row, t]
            if take[t] > 0:
                key = mix(requests.key[q] + np.uint64(t))
                first = slot
                slot = _fill(how, pool, excluded, batch, item, low, degree, take[t], key, scratch, out, slot)
                if len(out.relations):
                    out.relations[first:slot] = t // pool.node_types
            low += degree
        counts[q] = slot - requests.slot[q]
    return counts
