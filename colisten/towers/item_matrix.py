"""Sparse item–item matrices in CSR form, and the sparse scores that histories get from them, in NumPy alone.

A row says what having that item adds to the scores of others. The arrays may be memory-mapped: only the rows of the
items in a history are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from colisten.arrays import Bools, Floats, Floats64, Int32s, Int64s
from colisten.listening.pairs import UserItemPairs
from colisten.ragged import offsets, spans, starts

_ENTRIES_AT_ONCE = 1 << 22
"""Matrix entries gathered at once: bounds memory (100 MB), whatever the number of users."""
_LONG = 64
"""Entries of a row above which rows are joined faster as slices than by the place of every entry."""
_TABLE = 16
"""Summing in a table of all users × items beats sorting while it has at most so many cells per entry."""


@dataclass(frozen=True)
class SparseScores:
    """Positive scores of some (user, item); every other item scores zero."""

    keys: Int64s
    """[n] ascending: user << 32 | item."""
    values: Floats
    """[n] above zero."""

    @property
    def owners(self) -> Int64s:
        """[n] user of each score, as a place among those asked about."""
        return self.keys >> 32

    @property
    def items(self) -> Int64s:
        """[n]"""
        return self.keys & 0xFFFFFFFF

    def of(self, keys: Int64s) -> Floats:
        """[…] the score of each of these (user, item); zero where there is none."""
        if not len(self.keys):
            return np.zeros(keys.shape, np.float32)
        places = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.values[places], 0).astype(np.float32)

    def take(self, users: Int64s) -> SparseScores:
        """The scores of some users, in the order given, who are counted anew from zero."""
        wanted = users.astype(np.int64)
        begins, ends = (np.searchsorted(self.keys, edge << 32) for edge in (wanted, wanted + 1))
        if len(users) == 1:
            user = slice(int(begins[0]), int(ends[0]))
            return SparseScores(self.keys[user] & 0xFFFFFFFF, self.values[user])
        places = spans(begins, ends - begins)
        owners = np.repeat(np.arange(len(users)), ends - begins)
        return SparseScores(owners << 32 | self.items[places], self.values[places])

    def where(self, chosen: Bools) -> SparseScores:
        """Some of the scores."""
        places = np.flatnonzero(chosen)
        return SparseScores(self.keys[places], self.values[places])

    def times(self, factors: Floats) -> SparseScores:
        """Each user's scores by that user's factor [users] ≥ 0; what becomes zero is dropped."""
        values = self.values * factors[self.owners]
        return SparseScores(self.keys, values).where(values > 0)


NO_SCORES = SparseScores(np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True)
class ItemMatrix:
    """Non-negative item–item weights [items, items] in CSR form."""

    indptr: Int64s
    """[items + 1]"""
    items: Int32s
    """[n] columns of each row, ascending."""
    weights: Floats
    """[n] ≥ 0"""

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def rows(self, some: slice) -> list[tuple[Int32s, Floats]]:
        """Columns and weights of each of these rows."""
        ends = self.indptr[some.start : some.stop + 1].tolist()
        return [(self.items[a:b], self.weights[a:b]) for a, b in pairwise(ends)]

    def joined(self, some: Int64s) -> tuple[Int32s, Floats]:
        """[n] columns and weights of these rows, one after the other."""
        begins, ends = self.indptr[some], self.indptr[some + 1]
        if int((ends - begins).sum()) > _LONG * len(some):
            rows = [slice(*row) for row in zip(begins.tolist(), ends.tolist(), strict=True)]
            return np.concatenate([self.items[row] for row in rows]), np.concatenate(
                [self.weights[row] for row in rows]
            )
        places = spans(begins, ends - begins)
        return self.items[places], self.weights[places]

    def transposed(self, columns: Int64s) -> ItemMatrix:
        """Some columns [n], ascending, as rows: what each item adds to the score of those."""
        row = np.full(len(self), len(columns), np.int32)  # beyond all: those that are left out
        row[columns] = np.arange(len(columns))
        counts = np.zeros(len(columns) + 1, np.int64)
        for some in _blocks(self.indptr):
            counts += np.bincount(row[self.items[self._entries(some)]], minlength=len(columns) + 1)
        ends = offsets(counts[:-1])
        items, weights = np.empty(ends[-1], np.int32), np.empty(ends[-1], np.float32)
        free = ends[:-1].copy()
        for some in _blocks(self.indptr):
            entries = self._entries(some)
            places = row[self.items[entries]]
            order = np.argsort(places, kind="stable")[: np.count_nonzero(places < len(columns))]
            places = places[order]
            first = starts(places)
            lengths = np.diff(first, append=len(places))
            filled = spans(free[places[first]], lengths)
            sources = np.arange(some.start, some.stop, dtype=np.int32)
            items[filled] = np.repeat(sources, np.diff(self.indptr[some.start : some.stop + 1]))[order]
            weights[filled] = self.weights[entries][order]
            free[places[first]] += lengths
        return ItemMatrix(ends, items, weights)

    def _entries(self, rows: slice) -> slice:
        """Where the entries of rows that follow each other lie."""
        return slice(int(self.indptr[rows.start]), int(self.indptr[rows.stop]))


def summed_rows(users: int, given: Sequence[tuple[ItemMatrix, UserItemPairs]]) -> SparseScores:
    """The score of item j for a user: the weighted sum of the matrix's entries (i, j) over the user's items i.

    Args:
        users: how many there are.
        given: matrices of one size, with the pairs of a user and an item, ordered, that are looked up in each.
    """
    if not given:
        return NO_SCORES
    catalogue = len(given[0][0])
    pieces = [_sum(users, catalogue, some.start, some.stop, given) for some in _user_blocks(users, given)]
    pieces = [piece for piece in pieces if len(piece.keys)]
    if len(pieces) < 2:
        return pieces[0] if pieces else NO_SCORES
    return SparseScores(np.concatenate([p.keys for p in pieces]), np.concatenate([p.values for p in pieces]))


def merged(scores: Sequence[SparseScores]) -> SparseScores:
    """The sum of several scores of the same users."""
    counting = [each for each in scores if len(each.keys)]
    if len(counting) < 2:
        return counting[0] if counting else NO_SCORES
    return _sorted_sum(np.concatenate([s.keys for s in counting]), np.concatenate([s.values for s in counting]))


def _user_blocks(users: int, given: Sequence[tuple[ItemMatrix, UserItemPairs]]) -> Iterator[slice]:
    """Users whose items have about `_ENTRIES_AT_ONCE` matrix entries together."""
    if users == 1:
        yield slice(0, 1)
        return
    entries = np.zeros(users, np.int64)
    for matrix, pairs in given:
        lengths = matrix.indptr[pairs.items + 1] - matrix.indptr[pairs.items]
        entries += np.bincount(pairs.users, lengths, minlength=users).astype(np.int64)
    yield from _blocks(offsets(entries))


def _blocks(indptr: Int64s) -> Iterator[slice]:
    """Rows that have at most `_ENTRIES_AT_ONCE` entries together, or a single one with more."""
    first = 0
    while first < len(indptr) - 1:
        last = max(first + 1, int(np.searchsorted(indptr, indptr[first] + _ENTRIES_AT_ONCE, side="right")) - 1)
        yield slice(first, last)
        first = last


def _sum(
    users: int, catalogue: int, first: int, last: int, given: Sequence[tuple[ItemMatrix, UserItemPairs]]
) -> SparseScores:
    """The scores of the users `first` to `last`."""
    keys, values = [], []
    for matrix, pairs in given:
        chosen = slice(*np.searchsorted(pairs.users, (first, last)).tolist())
        rows, owners = pairs.items[chosen], pairs.users[chosen] - first
        columns, weights = matrix.joined(rows)
        lengths = matrix.indptr[rows + 1] - matrix.indptr[rows]
        if pairs.weights is not None:
            weights = weights * np.repeat(pairs.weights[chosen], lengths)
        keys.append(columns if last - first == 1 else np.repeat(owners * catalogue, lengths) + columns)
        values.append(weights)
    key, value = np.concatenate(keys), np.concatenate(values)
    cells = (last - first) * catalogue
    if cells <= _TABLE * len(key):
        table = np.bincount(key, value, minlength=cells)
        found = np.flatnonzero(table > 0)
        total = table[found].astype(np.float32)
    else:
        summed = _sorted_sum(key.astype(np.int64), value)
        found, total = summed.keys, summed.values
    owner, item = np.divmod(found, max(catalogue, 1)) if last - first > 1 else (0, found)
    return SparseScores((owner + first) << 32 | item, total)


def _sorted_sum(keys: Int64s, values: Floats | Floats64) -> SparseScores:
    """Sums of the values of equal keys, those above zero."""
    order = np.argsort(keys, kind="stable")  # merges runs that are in order: rows, or the scores of parts
    keys = keys[order]
    firsts = starts(keys)
    totals = np.add.reduceat(values[order].astype(np.float64), firsts) if len(firsts) else np.empty(0)
    kept = totals > 0
    return SparseScores(keys[firsts][kept], totals[kept].astype(np.float32))
