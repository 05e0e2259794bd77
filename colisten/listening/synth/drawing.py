"""Draws without replacement by the Gumbel top-k trick: the largest of log weights with Gumbel noise.

Exact, and the cost is one exponential draw, one logarithm and one comparison for each pair of a row and a column.
"""

from __future__ import annotations

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.compiled import compiled

_CELLS_AT_ONCE = 2**18
"""What is worked on at once stays in the processor's cache."""
_TINY = np.finfo(np.float32).tiny


def draw(scores: Floats, counts: Int64s, rng: np.random.Generator) -> tuple[Int64s, Int64s, Int64s]:
    """Draw `counts` columns in each row without replacement, in proportion to exp(scores): rows, columns, ranks.

    Fewer where a row has not as many finite scores. Overwrites `scores`, float32 [rows, columns]; `counts` [rows].
    """
    counts = np.minimum(counts, scores.shape[1])
    last = np.cumsum(counts)
    first, columns = last - counts, np.full(counts.sum(), -1)
    most, rows_at_once = int(counts.max(initial=0)), max(1, _CELLS_AT_ONCE // scores.shape[1])
    for start in range(0, len(scores), rows_at_once):
        some = slice(start, start + rows_at_once)
        noisy = _add_noise(scores[some], rng)
        for row in np.flatnonzero(_largest(noisy, counts[some], first[some], columns)):
            begin, end = first[start + row], last[start + row]
            columns[begin:end] = _largest_of_equals(noisy[row], most)[: end - begin]
    rows = np.repeat(np.arange(len(counts)), counts)
    ranks = np.arange(len(columns)) - first[rows]
    drawn = columns >= 0
    return rows[drawn], columns[drawn], ranks[drawn]


def _add_noise(scores: Floats, rng: np.random.Generator) -> Floats:
    noise = rng.standard_exponential(scores.shape, dtype=np.float32)
    scores -= np.log(np.maximum(noise, _TINY, out=noise), out=noise)
    return scores


@compiled
def _largest(scores: Floats, counts: Int64s, first: Int64s, columns: Int64s) -> Int64s:
    """Write the columns of the `counts` largest finite scores of each row, largest first, to `columns` from `first` on.

    Returns 1 for a row in which two of those, or the last and the next, are equal, else 0.
    """
    values = np.empty(counts.max() + 1, np.float32)
    places = np.empty(counts.max() + 1, np.int64)
    equal = np.zeros(len(scores), np.int64)
    for row in range(len(scores)):
        room, held, bar = counts[row] + 1 if counts[row] else 0, 0, np.float32(-np.inf)
        for column in range(scores.shape[1] if room else 0):
            value = scores[row, column]
            if value > bar:
                held = min(held + 1, room)
                place = held - 1
                while place and values[place - 1] < value:
                    values[place], places[place] = values[place - 1], places[place - 1]
                    place -= 1
                values[place], places[place] = value, column
                if held == room:
                    bar = values[room - 1]
        for place in range(min(held, counts[row])):
            columns[first[row] + place] = places[place]
            if place + 1 < held and values[place] == values[place + 1]:
                equal[row] = 1
    return equal


def _largest_of_equals(scores: Floats, count: int) -> Int64s:
    """Columns of the `count` largest, largest first, and -1 for infinite ones.

    Among equals the order of argpartition counts: worlds were made with it, and stay what they are.
    """
    best = np.argpartition(-scores, count - 1)[:count]
    best = best[np.argsort(-scores[best], kind="stable")]
    largest: Int64s = np.where(np.isfinite(scores[best]), best, -1)
    return largest
