"""Ragged arrays: rows of different lengths laid one after the other, as in a CSR matrix."""

from __future__ import annotations

import numpy as np

from colisten.arrays import Bools, Int32s, Int64s


def offsets(lengths: Int64s | Int32s) -> Int64s:
    """[n + 1] where each row begins: the running sum of `lengths` [n], from zero.

    >>> offsets(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def spans(start: Int64s, length: Int64s) -> Int64s:
    """Indices that gather rows: `start[i], …, start[i] + length[i] - 1` of all rows, one after the other.

    >>> spans(np.array([10, 4]), np.array([2, 3])).tolist()
    [10, 11, 4, 5, 6]
    """
    ends = np.cumsum(length)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(start - ends + length, length)


def starts(ordered: Int64s | Int32s) -> Int64s:
    """Where runs of equal numbers begin.

    >>> starts(np.array([1, 1, 3])).tolist()
    [0, 2]
    """
    first = np.empty(len(ordered), np.bool_)
    first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])  # `np.diff` takes ten times as long where they are few
    return np.flatnonzero(first)


def distinct(keys: Int64s) -> Int64s:
    """Sorted unique non-negative integers: `np.unique` by sorting, many times as fast as its hashing.

    >>> distinct(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    ordered = np.sort(keys)
    return ordered[starts(ordered)]


def contains(ordered: Int64s | Int32s, keys: Int64s | Int32s) -> Bools:
    """Whether each key is among the `ordered` ones, ascending; both of one dtype, or the ordered ones are copied.

    >>> contains(np.array([1, 3, 7]), np.array([3, 2, 9])).tolist()
    [True, False, False]
    """
    if not len(ordered):
        return np.zeros(keys.shape, np.bool_)
    return np.asarray(ordered[np.searchsorted(ordered, keys).clip(max=len(ordered) - 1)] == keys)
