"""Sparse top-n product of the listening matrix with itself: each item's strongest co-listened items, compiled.

Row by row (Gustavson, ACM TOMS 1978): the items of an item's listeners are counted in a dense accumulator, and the
strongest kept on heaps. Equal ones are told apart by listeners, then by column, so the same pairs are kept whatever the
blocks and threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.sparse import csr_array

from colisten.arrays import Floats, Floats64, Int32s, Int64s
from colisten.compiled import CORES, compiled
from colisten.prefetch import prefetch_map
from colisten.ragged import offsets

R = TypeVar("R")

UNKNOWN = np.iinfo(np.int64).min
"""The time of a stream whose time is not known: before all others."""
_AHEAD = 2 * CORES
"""Blocks of rows under way or waiting to be taken."""
_ADDITIONS = 1 << 23
"""Multiply-adds that one thread does at a time."""
_LISTENS = 1 << 14
"""Of items whose pairs get their times from one thread at a time."""
_FAR = 8
"""So many times as many listeners: they are searched for those of the other item, not gone through."""
_MARGIN = 1 - 1e-5
"""Weights in float32 may err by less than this; what is not clearly too weak is weighed in double."""


class Heard(NamedTuple):
    """The listening matrix in compressed rows: items and who heard them, or users and what they heard."""

    indptr: Int64s
    """[rows + 1]"""
    columns: Int32s
    """[n] ascending within a row."""
    last: Int64s
    """[n] when it was heard last, in seconds, or `UNKNOWN`; empty where no times are asked for."""


class Weighing(NamedTuple):
    """What a pair's weight is made of: listeners / √(n · n') · listeners / (listeners + shrinkage)."""

    listeners: Int64s
    """[items] of each item."""
    shrinkages: Floats64
    """[s] at least zero; for each of them the strongest are kept."""
    min_listeners: int
    """Listeners that a pair needs."""
    inverse: Floats
    """[items] 1 / √n"""

    @classmethod
    def of(cls, listeners: Int64s, shrinkages: Sequence[float], min_listeners: int) -> Weighing:
        inverse = (1 / np.sqrt(np.maximum(listeners, 1))).astype(np.float32)
        return cls(listeners, np.array(shrinkages, np.float64), min_listeners, inverse)


class ColumnRange(NamedTuple):
    """A range of items, as columns of the product."""

    first: int
    of_users: Heard
    """[users] what each heard of the range; columns are counted from `first`."""
    bounds: Int64s
    """[groups + 1] where groups of items begin, counted from `first`; some may be empty."""


class Strongest(NamedTuple):
    """Heaps of a range of items: for each row, shrinkage and group the `k` strongest pairs, the weakest in front."""

    sizes: Int64s
    """[rows × shrinkages × groups]"""
    neighbours: Int32s
    """[rows × shrinkages × groups, k]; so are the others."""
    listeners: Int32s
    weights: Floats

    @classmethod
    def empty(cls, heaps: int, k: int) -> Strongest:
        shape = (heaps, k)
        return cls(
            np.zeros(heaps, np.int64), np.empty(shape, np.int32), np.empty(shape, np.int32),
            np.empty(shape, np.float32),
        )  # fmt: skip


class Pairs(NamedTuple):
    """Pairs of items, [n] each."""

    items: Int64s
    neighbours: Int32s
    listeners: Int32s
    weights: Floats
    last: Int64s


def whole(of_items: Heard, users: int, first: int, bounds: Int64s, *, timed: bool = False) -> ColumnRange:
    """The items of `of_items` [items] as columns, in groups; `timed`: with the times."""
    items = len(of_items.indptr) - 1
    # 32-bit row pointers keep SciPy from widening the columns as well; callers keep parts below 2³¹ entries.
    entries = of_items.last if timed else np.zeros(len(of_items.columns), np.bool_)
    by_item = csr_array((entries, of_items.columns, of_items.indptr.astype(np.int32)), (items, users))
    by_user = by_item.tocsc()
    last = by_user.data if timed else np.empty(0, np.int64)
    return ColumnRange(first, Heard(by_user.indptr.astype(np.int64), by_user.indices, last), bounds)


def keep_strongest(first: int, rows: Heard, part: ColumnRange, weighing: Weighing, kept: Strongest) -> Iterator[int]:
    """Put the pairs of items from `first` on (`rows`) with those of `part` onto the heaps `kept`, on all cores.

    Gives the number of rows done, block by block.
    """

    def work(block: tuple[int, int]) -> int:
        _strongest_of_rows(*block, first, rows, part, weighing, kept)
        return block[1] - block[0]

    yield from _on_all_cores(work, _additions(rows, part), _ADDITIONS)


def find_last(rows: Heard, low: int, others: Heard, kept: Strongest, last: Int64s) -> None:
    """When somebody had heard both items of each kept pair whose neighbour is one of `others`, on all cores.

    That is found for few pairs, from the two items' listeners, in less time than it takes to know it of all.

    Args:
        rows: who heard the items that the heaps are of, and when.
        low: the item of the first of `others`.
        others: who heard those, and when.
        kept: the heaps.
        last: [heaps, k] gets the times.
    """

    def work(block: tuple[int, int]) -> None:
        _last_of_rows(*block, rows, low, others, kept, last)

    for _ in _on_all_cores(work, np.diff(rows.indptr) + 1, _LISTENS):
        pass


def pairs_above(
    first: int, rows: Heard, part: ColumnRange, weighing: Weighing, *, at_once: int
) -> Iterator[tuple[int, Pairs]]:
    """All pairs of the items from `first` on (`rows`) with a higher item of `part`, by blocks, on all cores.

    Gives the number of rows done and their pairs, with the first of the shrinkages. About `at_once` pairs are held.
    """
    width = int(part.bounds[-1])
    most = np.minimum(_additions(rows, part), width)

    def work(block: tuple[int, int]) -> tuple[int, Pairs]:
        room = int(most[block[0] : block[1]].sum())
        pairs = Pairs(
            np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room, np.int32),
            np.empty(room, np.float32), np.empty(room, np.int64),
        )  # fmt: skip
        count = _pairs_of_rows(*block, first, rows, part, weighing, pairs)
        return block[1] - block[0], Pairs._make(array[:count] for array in pairs)

    yield from _on_all_cores(work, most, max(1, at_once // _AHEAD))


def _on_all_cores(work: Callable[[tuple[int, int]], R], costs: Int64s, size: int) -> Iterator[R]:
    """`work` on ranges of rows that cost about `size` each, in order."""
    ends = np.flatnonzero(np.diff(np.cumsum(costs) // size)) + 1
    return prefetch_map(work, pairwise([0, *ends.tolist(), len(costs)]), threads=CORES, depth=_AHEAD)


def _additions(rows: Heard, part: ColumnRange) -> Int64s:
    """[rows] multiply-adds that each row of the product takes."""
    before = offsets(np.diff(part.of_users.indptr)[rows.columns])
    return np.diff(before[rows.indptr])


class _Tally(NamedTuple):
    """What the listeners of one item heard besides: room for every column, all zero between rows."""

    counts: Int32s
    last: Int64s
    touched: Int32s
    """The columns that are not zero: those of each group from its bound on."""
    found: Int64s
    """[groups] how many of each group are touched."""


@compiled
def _tally(part: ColumnRange) -> _Tally:
    columns, groups = part.bounds[-1], len(part.bounds) - 1
    return _Tally(
        np.zeros(columns, np.int32), np.empty(columns, np.int64), np.empty(columns, np.int32),
        np.zeros(groups, np.int64),
    )  # fmt: skip


@compiled
def _count(row: int, least: int, rows: Heard, part: ColumnRange, tally: _Tally, timed: bool) -> None:
    """Count the columns from `least` on that the listeners of a row heard; if `timed`, when they had heard both too."""
    heard, bounds, counts, last = part.of_users, part.bounds, tally.counts, tally.last
    tally.found[:] = 0
    for at in range(rows.indptr[row], rows.indptr[row + 1]):
        user = rows.columns[at]
        group = len(bounds) - 2
        for other in range(heard.indptr[user + 1] - 1, heard.indptr[user] - 1, -1):
            column = heard.columns[other]
            if column < least:
                break
            while column < bounds[group]:
                group -= 1
            if counts[column] == 0:
                tally.touched[bounds[group] + tally.found[group]] = column
                tally.found[group] += 1
                if timed:
                    last[column] = UNKNOWN
            if timed:
                last[column] = max(last[column], rows.last[at], heard.last[other])
            counts[column] += 1


@compiled
def _weight(shared: int, product: int, shrinkage: float) -> np.float32:
    """In double and in this order, as every engine computes it; kept as float32."""
    return np.float32(shared / np.sqrt(np.float64(product)) * (shared / (shared + shrinkage)))


@compiled
def _strongest_of_rows(
    begin: int, end: int, first: int, rows: Heard, part: ColumnRange, weighing: Weighing, kept: Strongest
) -> None:
    tally = _tally(part)
    options, groups = len(weighing.shrinkages), len(part.bounds) - 1
    for row in range(begin, end):
        _count(row, 0, rows, part, tally, False)
        for group in range(groups):
            heaps = row * options * groups + group
            low = part.bounds[group]
            touched = tally.touched[low : low + tally.found[group]]
            _keep(first + row, touched, tally, part.first, weighing, kept, heaps, groups)


@compiled
def _keep(
    item: int, touched: Int32s, tally: _Tally, first: int, weighing: Weighing, kept: Strongest, heaps: int, stride: int
) -> None:
    """Weigh the touched columns of a group with every shrinkage, whose heaps are `stride` apart, and forget them."""
    n, k = weighing.listeners, kept.neighbours.shape[1]
    own = n[item]
    least = np.zeros(len(weighing.shrinkages), np.float32)
    for option in range(len(least)):
        heap = heaps + option * stride
        if kept.sizes[heap] == k:
            least[option] = kept.weights[heap, 0] * np.float32(_MARGIN)
    for column in touched:
        shared, neighbour = tally.counts[column], first + column
        tally.counts[column] = 0
        if neighbour == item or shared < weighing.min_listeners:
            continue
        rough = np.float32(shared) * weighing.inverse[item] * weighing.inverse[neighbour]
        for option in range(len(least)):
            shrinkage = weighing.shrinkages[option]
            if rough * (shared / np.float32(shared + shrinkage)) < least[option]:
                continue
            weight = _weight(shared, own * n[neighbour], shrinkage)
            heap = heaps + option * stride
            if _push(kept, heap, neighbour, shared, weight) and kept.sizes[heap] == k:
                least[option] = kept.weights[heap, 0] * np.float32(_MARGIN)


@compiled
def _push(kept: Strongest, heap: int, neighbour: int, listeners: int, weight: np.float32) -> bool:
    """Put a pair onto a heap; whether it is among the strongest so far."""
    k, size = kept.neighbours.shape[1], kept.sizes[heap]
    if size < k:
        place = size
        kept.sizes[heap] = size + 1
        while place > 0:
            parent = (place - 1) // 2
            if not _before(kept, heap, parent, weight, listeners, neighbour):
                break
            _move(kept, heap, parent, place)
            place = parent
    elif _before(kept, heap, 0, weight, listeners, neighbour):
        return False
    else:
        place = _sift_down(kept, heap, size, weight, listeners, neighbour)
    kept.neighbours[heap, place], kept.listeners[heap, place], kept.weights[heap, place] = neighbour, listeners, weight
    return True


@compiled
def _sift_down(kept: Strongest, heap: int, size: int, weight: np.float32, listeners: int, neighbour: int) -> int:
    """Free the place where a pair belongs that takes the front's place among the first `size`."""
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and _before(
            kept, heap, child, kept.weights[heap, child + 1], kept.listeners[heap, child + 1],
            kept.neighbours[heap, child + 1],
        ):  # fmt: skip
            child += 1
        if _before(kept, heap, child, weight, listeners, neighbour):
            break
        _move(kept, heap, child, place)
        place = child
    return place


@compiled
def _before(kept: Strongest, heap: int, place: int, weight: np.float32, listeners: int, neighbour: int) -> bool:
    """Whether the pair at a place of a heap is stronger than another one."""
    if kept.weights[heap, place] != weight:
        return bool(kept.weights[heap, place] > weight)
    if kept.listeners[heap, place] != listeners:
        return bool(kept.listeners[heap, place] > listeners)
    return bool(kept.neighbours[heap, place] < neighbour)


@compiled
def _move(kept: Strongest, heap: int, source: int, target: int) -> None:
    kept.neighbours[heap, target] = kept.neighbours[heap, source]
    kept.listeners[heap, target] = kept.listeners[heap, source]
    kept.weights[heap, target] = kept.weights[heap, source]


@compiled
def sort_strongest_first(kept: Strongest) -> None:
    """Order every heap: a pair's place is its rank from then on, and nothing more can be put there."""
    for heap in range(len(kept.sizes)):
        for end in range(kept.sizes[heap] - 1, 0, -1):
            neighbour, listeners = kept.neighbours[heap, end], kept.listeners[heap, end]
            weight = kept.weights[heap, end]
            _move(kept, heap, 0, end)
            place = _sift_down(kept, heap, end, weight, listeners, neighbour)
            kept.neighbours[heap, place], kept.listeners[heap, place] = neighbour, listeners
            kept.weights[heap, place] = weight


@compiled
def _last_of_rows(begin: int, end: int, rows: Heard, low: int, others: Heard, kept: Strongest, last: Int64s) -> None:
    high, heaps = low + len(others.indptr) - 1, len(kept.sizes) // (len(rows.indptr) - 1)
    for row in range(begin, end):
        for heap in range(row * heaps, (row + 1) * heaps):
            for place in range(kept.sizes[heap]):
                neighbour = kept.neighbours[heap, place]
                if low <= neighbour < high:
                    last[heap, place] = _last_of_both(rows, row, others, neighbour - low)


@compiled
def _last_of_both(some: Heard, row: int, others: Heard, other: int) -> int:
    """When a listener of both had heard both at last."""
    at, end, there, last_there = some.indptr[row], some.indptr[row + 1], others.indptr[other], others.indptr[other + 1]
    if end - at > last_there - there:
        some, others, at, there, end, last_there = others, some, there, at, last_there, end
    found = UNKNOWN
    searched = _FAR * (end - at) < last_there - there
    while at < end and there < last_there:
        user = some.columns[at]
        if searched:
            there += np.searchsorted(others.columns[there:last_there], user)
        while there < last_there and others.columns[there] < user:
            there += 1
        if there < last_there and others.columns[there] == user:
            found = max(found, some.last[at], others.last[there])
        at += 1
    return found


@compiled
def _pairs_of_rows(
    begin: int, end: int, first: int, rows: Heard, part: ColumnRange, weighing: Weighing, pairs: Pairs
) -> int:
    tally = _tally(part)
    found = 0
    for row in range(begin, end):
        item = first + row
        _count(row, item + 1 - part.first, rows, part, tally, True)
        for group in range(len(tally.found)):
            low = part.bounds[group]
            for column in tally.touched[low : low + tally.found[group]]:
                shared, neighbour = tally.counts[column], part.first + column
                tally.counts[column] = 0
                if shared < weighing.min_listeners:
                    continue
                product = weighing.listeners[item] * weighing.listeners[neighbour]
                pairs.items[found], pairs.neighbours[found], pairs.listeners[found] = item, neighbour, shared
                pairs.weights[found] = _weight(shared, product, weighing.shrinkages[0])
                pairs.last[found] = tally.last[column]
                found += 1
    return found
