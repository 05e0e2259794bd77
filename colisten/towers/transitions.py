"""What follows what: item–item weights from the order in which people first streamed their items.

Somebody's last items say more of the next one than their first. Item j scores, summed over the items i of the history,

    0.5^(b / h) · c_ij / (√(n_i · n_j) + s)

where b counts the items that came after i, h is the half-life, n are listeners, and c_ij sums 0.5^(b / h) over all who
came to j after i, with b items between: a cosine that is directed and fades, shrunk where listeners are few. A pair in
training and an item of a history fade alike, so that both look at the next item from the same distance.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse import coo_array, csr_array

from colisten.arrays import Floats64, Int64s
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
    return _strongest(counts.tocoo(), np.sqrt(listeners))


def _strongest(counts: coo_array, length: Floats64) -> ItemMatrix:
    """The cosines, of each column the `STRONGEST` alone; of equal ones the first items."""
    src, dst = counts.coords
    weights = (counts.data / (length[src] * length[dst] + SHRINK)).astype(np.float32)
    order = np.lexsort((src, -weights, dst))
    kept = order[np.arange(len(order)) - np.searchsorted(dst[order], dst[order]) < STRONGEST]
    return from_rows(csr_array((weights[kept], (src[kept], dst[kept])), shape=counts.shape))


def transition_scorer(asked: UserHistories, matrix: ItemMatrix, part: TransitionsPart, candidates: Int64s) -> Scorer:
    """Scores of the candidates for each of the asked users."""
    (pairs,) = part.lookups(asked).values()
    assert pairs.weights is not None
    history = csr_array((pairs.weights, (pairs.users, pairs.items)), shape=(len(asked), len(matrix)))
    return row_scorer(history, matrix, candidates)
