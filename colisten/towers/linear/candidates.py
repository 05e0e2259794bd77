"""Candidate predictors of each item: the items streamed most with it, and those with similar texts.

What an item was never streamed with is a candidate only among its nearest texts, so that cost grows with the items and
with the pairs that were streamed together, not with all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Bools, Floats, Int32s, Int64s
from colisten.compiled import compiled, on_all_cores
from colisten.graph_store.relations.text_neighbours import text_neighbours
from colisten.progress import Progress
from colisten.towers.linear.interactions import Interactions

SHRINK = 20.0
"""Listeners that a cosine of co-listening is short of: two items with one shared listener are not alike yet."""
TEXT_WEIGHT = 0.3
"""What full likeness of text counts beside a cosine of 1, when candidates are chosen."""
FEW = 3.0
"""An item with so many listeners leans on its text one and a half times as much as a popular one; a new one twice."""
POOL = 800
"""Candidates that options choose among: so many of the target type, and as many of the others."""
NEAR_TEXTS = 100
"""Nearest texts that are candidates whatever was streamed: so many of the target type, and as many of the others."""
_COLUMNS_AT_ONCE = 1 << 9
"""Items whose pools a core fills at a time."""
_SELECTED_AT_ONCE = 1 << 12
"""Items whose pools are sorted at once: bounds memory (100 MB)."""


@dataclass(frozen=True)
class NearTexts:
    """The nearest texts of every item, of the target's items and of the others."""

    items: Int32s
    """[items, n] the item itself in places left over."""
    farthest: Floats
    """[items, 2] likeness of the farthest of them, of the target's and of the others; zero where all items are in."""


def near_texts(text: Floats, is_target: Bools, progress: Progress) -> NearTexts:
    """The `NEAR_TEXTS` nearest of either kind.

    Args:
        text: [items, width ≥ 0] centred unit vectors, zeros where an item has no text.
        is_target: [items]
        progress: advanced by every item done.
    """
    told = text.any(axis=1)
    queries = np.flatnonzero(told)
    found = [np.arange(len(text), dtype=np.int32)[:, None]]
    farthest = np.zeros((len(text), 2), np.float32)
    for side, among in enumerate((np.flatnonzero(told & is_target), np.flatnonzero(told & ~is_target))):
        if len(among):
            near = text_neighbours(text[queries], text[among], NEAR_TEXTS + 1, progress)  # itself is one of them
            items = np.repeat(found[0], near.items.shape[1], axis=1)
            items[queries] = among[near.items]
            if near.items.shape[1] > NEAR_TEXTS:
                farthest[queries, side] = np.square(near.cosine[:, -1].clip(min=0))
                elsewhere = is_target != (side == 0)
                items[elsewhere, -1] = found[0][elsewhere, 0]
            found.append(items)
    return NearTexts(np.concatenate(found, axis=1), farthest)


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
        count = min(count, self.score.shape[1])
        near = np.empty((len(self.columns), count), np.int32)
        likeness = np.empty((len(self.columns), count), np.float32)
        for first in range(0, len(self.columns), _SELECTED_AT_ONCE):
            some = slice(first, first + _SELECTED_AT_ONCE)
            score = self.score[some] * factors[self.near[some]]
            best = np.argpartition(-score, count - 1, axis=1)[:, :count]
            chosen = np.take_along_axis(score, best, 1) > 0
            found = np.where(chosen, np.take_along_axis(self.near[some], best, 1), self.columns[some, None])
            order = np.argsort(found, axis=1, kind="stable")
            near[some] = np.take_along_axis(found, order, 1)
            likeness[some] = np.take_along_axis(self.likeness[some], np.take_along_axis(best, order, 1), 1)
        return Candidates(self.columns, near, likeness, factors)


def candidate_pool(
    interactions: Interactions, text: Floats, near: NearTexts, columns: Int64s, is_target: Bools, progress: Progress
) -> CandidatePool:
    """The pool for each of `columns`; memory beside it is bounded.

    Args:
        interactions: who has which item.
        text: [items, width ≥ 0] centred unit vectors, zeros where an item has no text.
        near: the nearest texts of all items.
        columns: items to predict.
        is_target: [items]
        progress: advanced by every item done.
    """
    listeners = interactions.listeners
    length, leaning = np.sqrt(listeners).astype(np.float32), (1 + FEW / (FEW + listeners)).astype(np.float32)
    targets = int(is_target.sum())
    ends = np.cumsum([min(POOL, targets), min(POOL, len(is_target) - targets)])
    shape = len(columns), int(ends[-1])
    pool = CandidatePool(columns, np.empty(shape, np.int32), np.empty(shape, np.float32), np.empty(shape, np.float32))

    def fill(rows: slice) -> None:
        _strongest(
            interactions.item_indptr, interactions.users, interactions.user_indptr, interactions.items, columns[rows],
            length, text, near.items, near.farthest, is_target, ends, pool.near[rows], pool.score[rows],
            pool.likeness[rows],
        )  # fmt: skip

    with progress.task("candidates of each item", len(columns)) as task:
        for done in on_all_cores(fill, len(columns), _COLUMNS_AT_ONCE):
            task.advance(done)
    pool.likeness[:] *= leaning[columns, None]
    return pool


@compiled
def _strongest(
    item_indptr: Int64s, users: Int32s, user_indptr: Int64s, items: Int32s, own: Int64s, length: Floats, text: Floats,
    near: Int32s, farthest: Floats, is_target: Bools, ends: Int64s, found: Int32s, scores: Floats, likenesses: Floats,
) -> None:  # fmt: skip
    """Fill each row of `found`, `scores` and `likenesses` [rows, k] with the strongest pairs of the item `own` [rows].

    `item_indptr` and `users`, `user_indptr` and `items` say in CSR form who has an item, and what a user has. The
    target's items have the places up to `ends[0]`, the others those up to `ends[1]`; a heap with the least in front.
    In places left over are the item itself and zeros. A pair that is not among the nearest texts is less alike than
    the farthest of those, so most are passed by before their texts are compared.
    """
    count, touched = np.zeros(len(is_target), np.float32), np.empty(len(is_target), np.int32)
    seen = np.full(len(is_target), -1)
    for row in range(len(own)):
        j = own[row]
        found[row], scores[row], likenesses[row] = j, 0, 0
        size = 0
        for listener in range(item_indptr[j], item_indptr[j + 1]):
            for entry in range(user_indptr[users[listener]], user_indptr[users[listener] + 1]):
                i = items[entry]
                if count[i] == 0:
                    touched[size] = i
                    size += 1
                count[i] += 1
        for place in range(near.shape[1]):
            i = near[j, place]
            if i != j and seen[i] != row:
                seen[i] = row
                _offer(i, _cosine(count[i], length[i], length[j]), text, j, is_target, ends, found[row], scores[row],
                       likenesses[row])  # fmt: skip
        for place in range(size):
            i = touched[place]
            together, count[i] = count[i], 0
            if i != j and seen[i] != row:
                cosine = _cosine(together, length[i], length[j])
                side = 0 if is_target[i] else 1
                if cosine + TEXT_WEIGHT * farthest[j, side] > scores[row, 0 if is_target[i] else ends[0]]:
                    _offer(i, cosine, text, j, is_target, ends, found[row], scores[row], likenesses[row])


@compiled
def _cosine(together: float, length: float, other: float) -> float:
    return together / (length * other + SHRINK)


@compiled
def _offer(
    i: int, cosine: float, text: Floats, j: int, is_target: Bools, ends: Int64s, found: Int32s, scores: Floats,
    likenesses: Floats,
) -> None:  # fmt: skip
    """Put item `i` on its heap in the place of the least there, if it is stronger."""
    alike = max(np.dot(text[i], text[j]), np.float32(0)) ** 2
    score = cosine + TEXT_WEIGHT * alike
    first, end = (0, ends[0]) if is_target[i] else (ends[0], ends[1])
    if score <= scores[first]:
        return
    place, size = 0, end - first
    while 2 * place + 1 < size:  # sift the least down
        child = 2 * place + 1
        if child + 1 < size and scores[first + child + 1] < scores[first + child]:
            child += 1
        if scores[first + child] >= score:
            break
        found[first + place], scores[first + place] = found[first + child], scores[first + child]
        likenesses[first + place] = likenesses[first + child]
        place = child
    found[first + place], scores[first + place], likenesses[first + place] = i, score, alike
