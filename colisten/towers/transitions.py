"""What follows what: item–item weights from the order in which people first streamed their items.

Somebody's last items say more of the next one than their first. Item j scores, summed over the items i of the history,

    0.5^(b / h) · c_ij / (√(n_i · n_j) + s)

where b counts the items that came after i, h is the half-life, n are listeners, and c_ij sums 0.5^(b / h) over all who
came to j after i, with b items between: a cosine that is directed and fades, shrunk where listeners are few. A pair in
training and an item of a history fade alike, so that both look at the next item from the same distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csc_array, csr_array

from colisten.arrays import Floats, Floats64, Int32s, Int64s
from colisten.compiled import CORES, compiled
from colisten.grouping import grouped
from colisten.listening.first_streams import FirstStreams
from colisten.listening.histories import EVENTS_AT_ONCE, UserHistories
from colisten.on_disk import GrowingArray
from colisten.prefetch import prefetch_map
from colisten.ragged import offsets
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.parts import FADED, TransitionsPart
from colisten.towers.scipy_rows import from_rows, row_scorer
from colisten.towers.selection.ranking_task import Scorer

SHRINK = 10.0
"""s: listeners that the cosine is short of."""
STRONGEST = 200
"""So many of the items that lead to one are kept: they bound what is stored, whatever the data."""
AHEAD = 24
"""So many of the items after one are counted, at most."""
MIN_PAIRS = 1000
"""With fewer items that came after another one, order tells nothing."""
_COLUMNS_AT_ONCE = 1 << 10
"""Items that a core counts for at once: 2 MB."""


@dataclass(frozen=True)
class OrderedStreams:
    """The streams of everybody whose time is known, in order; 32 bytes each, where the histories lie."""

    users: Int32s
    """[n] ascending; of one user by time."""
    items: Int32s
    """[n]"""
    same: Int64s
    """[n] the place at which the user's items of the same time begin."""
    later: Int64s
    """[n] the place at which the user's items of later times begin."""
    item_indptr: Int64s
    """[items + 1]"""
    places: Int64s
    """[n] of each item's streams, ascending."""
    followed: int
    """Of them, those that the user streamed something after."""

    @classmethod
    def of(cls, histories: UserHistories, strong: int, items: int) -> Self:
        """Of events with signal codes below `strong`."""
        users, heard = GrowingArray(np.int32, histories.scratch), GrowingArray(np.int32, histories.scratch)
        same, later = GrowingArray(np.int64, histories.scratch), GrowingArray(np.int64, histories.scratch)
        lengths, count, followed = np.zeros(items, np.int64), 0, 0
        for people, some in histories.shards():
            streams = FirstStreams.of(some.keep(some.timestamps >= 0), strong)
            users.append(streams.users + people.start)
            heard.append(streams.items)
            same.append(streams.same + count)
            later.append(streams.later + count)
            lengths += np.bincount(streams.items, minlength=items)
            count, followed = count + len(streams), followed + int(np.count_nonzero(streams.newer))
        streamed = heard.whole()
        indptr, places = grouped(_with_places(streamed), lengths, np.int64, histories.scratch)
        return cls(users.whole(), streamed, same.whole(), later.whole(), indptr, places, followed)

    @property
    def has_order(self) -> bool:
        """Do times put enough of them in order?"""
        return self.followed >= MIN_PAIRS


def _with_places(items: Int32s) -> Iterator[tuple[Int32s, Int64s]]:
    """Items and their places, some at a time."""
    for at in range(0, len(items), EVENTS_AT_ONCE):
        piece = items[at : at + EVENTS_AT_ONCE]
        yield piece, np.arange(at, at + len(piece))


def transition_matrix(streams: OrderedStreams, half_life: float) -> ItemMatrix:
    """Row i says how often each item was streamed soon after i, of the `STRONGEST` that lead to one.

    Item by item, so that memory does not grow with the pairs of streams, which are up to `AHEAD` times the streams.

    Args:
        streams: of everybody.
        half_life: in items.
    """
    indptr = streams.item_indptr
    items = len(indptr) - 1
    length = np.sqrt(np.diff(indptr))
    ahead = min(AHEAD, math.ceil(FADED * half_life))
    faded = np.exp2(-np.arange(ahead) / half_life).astype(np.float32)
    blocks = [slice(at, min(at + _COLUMNS_AT_ONCE, items)) for at in range(0, items, _COLUMNS_AT_ONCE)]

    def strongest(columns: slice) -> tuple[Int32s, Int32s, Floats]:
        count = columns.stop - columns.start
        filled = np.zeros(count, np.int32)
        src, weights = np.empty((count, STRONGEST), np.int32), np.empty((count, STRONGEST), np.float32)
        _strongest(
            indptr[columns.start : columns.stop + 1], streams.places, streams.users, streams.items, streams.same,
            streams.later, faded, length, length[columns], filled, src, weights,
        )  # fmt: skip
        kept = np.arange(STRONGEST) < filled[:, None]
        return filled, src[kept], weights[kept]

    found = prefetch_map(strongest, blocks, threads=CORES, depth=CORES)
    filled, src, weights = (np.concatenate(pieces) for pieces in zip(*found, strict=True))
    return from_rows(csr_array(csc_array((weights, src, offsets(filled)), shape=(items, items))))


@compiled
def _strongest(
    indptr: Int64s, places: Int64s, users: Int32s, items: Int32s, same: Int64s, later: Int64s, faded: Floats,
    length: Floats64, of_column: Floats64, filled: Int32s, src: Int32s, weights: Floats,
) -> None:  # fmt: skip
    """Fill `src` and `weights` [columns, k] with the strongest cosines of some columns, of equal ones the first items.

    `indptr` and `places` say where each column's item was streamed; from there the user's streams are followed back as
    long as they fade (`faded` [ahead], by the items between). `filled` [columns] says how many there are.
    """
    counts, touched = np.zeros(len(length), np.float32), np.empty(len(length), np.int32)
    strongest = src.shape[1]
    for column in range(len(of_column)):
        size = 0
        for entry in range(indptr[column], indptr[column + 1]):
            place = places[entry]
            before = same[place] - 1
            while before >= 0 and users[before] == users[place] and place - later[before] < len(faded):
                item = items[before]
                if counts[item] == 0:
                    touched[size] = item
                    size += 1
                counts[item] += faded[same[place] - later[before]]
                before -= 1
        found = np.sort(touched[:size])
        cosines = np.empty(size, np.float32)
        for place in range(size):
            item = found[place]
            cosines[place] = counts[item] / (length[item] * of_column[column] + SHRINK)
            counts[item] = 0
        order = np.arange(size)
        if size > strongest:
            order = np.sort(np.argsort(-cosines, kind="mergesort")[:strongest])
        for place in range(len(order)):
            src[column, place], weights[column, place] = found[order[place]], cosines[order[place]]
        filled[column] = len(order)


def transition_scorer(asked: UserHistories, matrix: ItemMatrix, part: TransitionsPart, candidates: Int64s) -> Scorer:
    """Scores of the candidates for each of the asked users."""
    (pairs,) = part.lookups(asked).values()
    assert pairs.weights is not None
    history = csr_array((pairs.weights, (pairs.users, pairs.items)), shape=(len(asked), len(matrix)))
    return row_scorer(history, matrix, candidates)
