"""What follows what: item–item weights from the order in which people first streamed their items.

Somebody's last items say more of the next one than their first. Item j scores, summed over the items i of the history,

    0.5^(b / h) · c_ij / (√(n_i · n_j) + s)

where b counts the items that came after i, h is the half-life, n are listeners, and c_ij sums 0.5^(b / h) over all who
came to j after i, with b items between: a cosine that is directed and fades, shrunk where listeners are few. A pair in
training and an item of a history fade alike, so that both look at the next item from the same distance.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from scipy.sparse import csc_array, csr_array

from colisten.arrays import Floats, Floats64, Int32s, Int64s
from colisten.compiled import compiled, on_all_cores
from colisten.listening.first_streams import FirstStreams
from colisten.listening.histories import UserHistories
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


def has_order(histories: UserHistories, strong: int) -> bool:
    """Are there times that put enough streams in order?"""
    streams = FirstStreams.of(histories.keep(histories.timestamps >= 0), strong)
    return int((streams.newer > 0).sum()) >= MIN_PAIRS


def transition_matrix(histories: UserHistories, strong: int, items: int, half_life: float) -> ItemMatrix:
    """Row i says how often each item was streamed soon after i; what has no time is left out.

    Args:
        histories: of everybody.
        strong: events with signal codes below this count are streams.
        items: how many there are.
        half_life: in items.
    """
    streams = FirstStreams.of(histories.keep(histories.timestamps >= 0), strong)
    counts = csr_array((items, items), dtype=np.float32)
    places = np.arange(len(streams))
    for ahead in range(min(AHEAD, math.ceil(FADED * half_life))):
        places = places[streams.later[places] + ahead < streams.end[places]]
        follower = streams.later[places] + ahead
        between = streams.same[follower] - streams.later[places]
        faded = np.exp2(-between / half_life).astype(np.float32)
        pairs = csr_array((faded, (streams.items[places], streams.items[follower])), shape=(items, items))
        counts = csr_array(counts + pairs)
    listeners = np.bincount(streams.items, minlength=items)
    return _strongest(csc_array(counts), np.sqrt(listeners))


def _strongest(by_column: csc_array, length: Floats64) -> ItemMatrix:
    """The cosines of these counts, of each column the `STRONGEST` alone; of equal ones the first items."""
    by_column.sort_indices()
    indptr, src, weights = by_column.indptr.astype(np.int64), by_column.indices, by_column.data

    def weigh(some: slice) -> None:
        _weigh(indptr[some.start : some.stop + 1], src, length, length[some], STRONGEST, weights)

    deque(on_all_cores(weigh, len(length)), maxlen=0)
    by_column.eliminate_zeros()
    return from_rows(csr_array(by_column))


@compiled
def _weigh(
    indptr: Int64s, src: Int32s, length: Floats64, of_column: Floats64, strongest: int, counts: Floats
) -> None:  # fmt: skip
    """Put cosines in the place of the `counts` of some columns, and zeros in that of all but the `strongest`."""
    for column in range(len(of_column)):
        begin, end = indptr[column], indptr[column + 1]
        for entry in range(begin, end):
            counts[entry] = counts[entry] / (length[src[entry]] * of_column[column] + SHRINK)
        if end - begin > strongest:
            order = np.argsort(-counts[begin:end], kind="mergesort")
            for place in range(strongest, end - begin):
                counts[begin + order[place]] = 0


def transition_scorer(asked: UserHistories, matrix: ItemMatrix, part: TransitionsPart, candidates: Int64s) -> Scorer:
    """Scores of the candidates for each of the asked users."""
    (pairs,) = part.lookups(asked).values()
    assert pairs.weights is not None
    history = csr_array((pairs.weights, (pairs.users, pairs.items)), shape=(len(asked), len(matrix)))
    return row_scorer(history, matrix, candidates)
