"""Candidate predictors of each item: the items streamed most with it, and those with similar texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from colisten.arrays import Bools, Floats, Int32s, Int64s
from colisten.progress import Progress

SHRINK = 20.0
"""Listeners that a cosine of co-listening is short of: two items with one shared listener are not alike yet."""
TEXT_WEIGHT = 0.3
"""What full likeness of text counts beside a cosine of 1, when candidates are chosen."""
FEW = 3.0
"""An item with so many listeners leans on its text one and a half times as much as a popular one; a new one twice."""
_CELLS = 1 << 24
"""Numbers in the largest dense block: 64 MB."""


@dataclass(frozen=True)
class Candidates:
    """Candidate predictors of some items."""

    columns: Int64s
    """[n] the items to predict."""
    near: Int32s
    """[n, k] ascending; an item with fewer candidates has itself in the places left over."""
    likeness: Floats
    """[n, k] of the texts, 0 … 1; up to twice that for an item with few listeners."""


def candidates(
    interactions: csr_array, text: Floats, columns: Int64s, count: int, among: Bools, progress: Progress
) -> Candidates:
    """The `count` best of the items `among` [items] for each of `columns`; memory is a block of fixed size.

    Args:
        interactions: [users, items] float32, 1 where the user has the item.
        text: [items, width ≥ 0] centred unit vectors, zeros where an item has no text.
        columns: items to predict.
        count: candidates of each.
        among: [items] those to choose from.
        progress: advanced by every item done.
    """
    items = interactions.shape[1]
    count = min(count, items)
    by_item = csr_array(interactions.T)
    listeners = np.diff(by_item.indptr)
    length, leaning = np.sqrt(listeners).astype(np.float32), (1 + FEW / (FEW + listeners)).astype(np.float32)
    found = Candidates(columns, np.empty((len(columns), count), np.int32), np.empty((len(columns), count), np.float32))
    size = max(1, _CELLS // max(items, 1))
    with progress.task("candidates of each item", len(columns)) as task:
        for first in range(0, len(columns), size):
            block = columns[first : first + size]
            rows = np.arange(len(block))[:, None]
            alike = likeness(text, block)
            score = (by_item[block] @ interactions).toarray() / (
                length[block, None] * length + SHRINK
            ) + TEXT_WEIGHT * alike
            score[:, ~among] = 0
            score[rows[:, 0], block] = 0
            best = np.argpartition(-score, count - 1, axis=1)[:, :count]
            best = np.sort(np.where(score[rows, best] > 0, best, block[:, None]), axis=1)
            found.near[first : first + size] = best
            found.likeness[first : first + size] = alike[rows, best] * leaning[block, None]
            task.advance(len(block))
    return found


def likeness(text: Floats, block: Int64s) -> Floats:
    """[block, items] text similarity: the squared cosine where it is positive, so that near texts count most."""
    alike: Floats = np.square(np.maximum(text[block] @ text.T, 0), dtype=np.float32)
    return alike
