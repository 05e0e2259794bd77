"""Candidate predictors of each item: the items streamed most with it, and those with similar texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from colisten.arrays import Bools, Floats, Int32s, Int64s
from colisten.compiled import compiled
from colisten.progress import Progress

SHRINK = 20.0
"""Listeners that a cosine of co-listening is short of: two items with one shared listener are not alike yet."""
TEXT_WEIGHT = 0.3
"""What full likeness of text counts beside a cosine of 1, when candidates are chosen."""
FEW = 3.0
"""An item with so many listeners leans on its text one and a half times as much as a popular one; a new one twice."""
POOL = 800
"""Candidates that options choose among: so many of the target type, and as many of the others."""
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
    factors: Floats
    """[items] what having an item counts as a predictor, 0 … 1."""


def one_after_the_other(pieces: Sequence[Candidates]) -> Candidates:
    """The candidates of several groups of items, with equal factors."""
    return Candidates(
        np.concatenate([piece.columns for piece in pieces]),
        np.concatenate([piece.near for piece in pieces]),
        np.concatenate([piece.likeness for piece in pieces]),
        pieces[0].factors,
    )


@dataclass(frozen=True)
class CandidatePool:
    """The best `POOL` predictors of the target type for each of some items, and as many of the other types.

    What any options choose among, so that trying one costs no search over all items.
    """

    columns: Int64s
    """[n]"""
    near: Int32s
    """[n, p]"""
    score: Floats
    """[n, p] zero in places left over."""
    likeness: Floats
    """[n, p]"""

    def select(self, count: int, factors: Floats) -> Candidates:
        """The `count` best of each item, their scores taken by `factors` [items]."""
        score = self.score * factors[self.near]
        count = min(count, score.shape[1])
        best = np.argpartition(-score, count - 1, axis=1)[:, :count]
        chosen = np.take_along_axis(score, best, 1) > 0
        near = np.where(chosen, np.take_along_axis(self.near, best, 1), self.columns[:, None])
        order = np.argsort(near, axis=1, kind="stable")
        likeness = np.take_along_axis(self.likeness, np.take_along_axis(best, order, 1), 1)
        return Candidates(self.columns, np.take_along_axis(near, order, 1).astype(np.int32), likeness, factors)


def candidate_pool(
    interactions: csr_array, text: Floats, columns: Int64s, is_target: Bools, progress: Progress
) -> CandidatePool:
    """The pool for each of `columns`; memory beside it is a block of fixed size.

    Args:
        interactions: [users, items] float32, 1 where the user has the item.
        text: [items, width ≥ 0] centred unit vectors, zeros where an item has no text.
        columns: items to predict.
        is_target: [items]
        progress: advanced by every item done.
    """
    items = interactions.shape[1]
    by_item = csr_array(interactions.T)
    listeners = np.diff(by_item.indptr)
    length, leaning = np.sqrt(listeners).astype(np.float32), (1 + FEW / (FEW + listeners)).astype(np.float32)
    sides = [side for side in (np.flatnonzero(is_target), np.flatnonzero(~is_target)) if len(side)]
    counts = [min(POOL, len(side)) for side in sides]
    found: list[tuple[Int32s, Floats, Floats]] = []
    size = max(1, _CELLS // max(items, 1))
    with progress.task("candidates of each item", len(columns)) as task:
        for first in range(0, len(columns), size):
            block = columns[first : first + size]
            rows = np.arange(len(block))[:, None]
            alike = likeness(text, block)
            score = TEXT_WEIGHT * alike
            together = coo_array(by_item[block] @ interactions)
            cosine = together.data / (length[block[together.row]] * length[together.col] + SHRINK)
            score[together.row, together.col] += cosine
            score[rows[:, 0], block] = 0
            near = np.empty((len(block), sum(counts)), np.int32)
            for side, part in zip(sides, np.split(near, np.cumsum(counts)[:-1], axis=1), strict=True):
                _largest(score, side, block, part)
            found.append((near, score[rows, near], alike[rows, near] * leaning[block, None]))
            task.advance(len(block))
    empty = np.empty((0, 1), np.int32), np.empty((0, 1), np.float32), np.empty((0, 1), np.float32)
    return CandidatePool(columns, *(np.concatenate(arrays) for arrays in zip(*(found or [empty]), strict=True)))


@compiled
def _largest(scores: Floats, side: Int64s, own: Int64s, near: Int32s) -> None:
    """Fill each row of `near` [rows, k] with the k of the columns `side` [m] with the largest scores, in any order.

    Columns without a score above zero are left out; `own` [rows] stands in the places left over. A heap with the least
    of the k in front: most columns cost one comparison (argpartition takes four times as long).
    """
    count = near.shape[1]
    values = np.empty(count, np.float32)
    for row in range(len(scores)):
        values[:] = 0
        near[row] = own[row]
        for column in side:
            value = scores[row, column]
            if value <= values[0]:
                continue
            place = 0
            while 2 * place + 1 < count:  # sift the least down
                child = 2 * place + 1
                if child + 1 < count and values[child + 1] < values[child]:
                    child += 1
                if values[child] >= value:
                    break
                values[place], near[row, place] = values[child], near[row, child]
                place = child
            values[place], near[row, place] = value, column


def likeness(text: Floats, block: Int64s) -> Floats:
    """[block, items] text similarity: the squared cosine where it is positive, so that near texts count most."""
    alike: Floats = text[block] @ text.T
    np.maximum(alike, 0, out=alike)
    return np.square(alike, out=alike)
