"""Draws without replacement are those of the plain Gumbel top-k trick, and have its distribution."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.arrays import Floats, Int64s
from colisten.listening.synth.drawing import draw


def plain(scores: Floats, counts: Int64s, rng: np.random.Generator) -> tuple[Int64s, Int64s, Int64s]:
    """All scores with noise, all sorted, as one would write it down."""
    noisy = scores - np.log(rng.standard_exponential(scores.shape, dtype=np.float32))
    best = np.argsort(-noisy, axis=1, kind="stable")
    wanted = (np.arange(scores.shape[1]) < counts[:, None]) & np.isfinite(np.take_along_axis(noisy, best, axis=1))
    row, rank = np.nonzero(wanted)
    return row, best[row, rank], rank


def some_scores(rows: int, columns: int) -> Floats:
    rng = np.random.default_rng(1)
    scores = rng.normal(scale=3, size=(rows, columns)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    return scores


@pytest.mark.parametrize(("rows", "columns", "mean"), [(300, 2000, 3), (5000, 90, 20), (40, 7, 30), (3, 400_000, 2)])
def test_draws_are_the_largest_of_all_noisy_scores(rows: int, columns: int, mean: int) -> None:
    scores, counts = some_scores(rows, columns), np.random.default_rng(2).poisson(mean, rows)
    expected = plain(scores, counts, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    for one, other in zip(draw(scores, counts, rng), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    reference = np.random.default_rng(3)
    reference.standard_exponential((rows, columns), dtype=np.float32)
    assert rng.random() == reference.random()


def test_equal_scores_are_drawn_once_each() -> None:
    """Coarse scores and noise make ties; no column may come twice, none of those above may be left out."""
    rng = np.random.default_rng(4)
    scores = np.full((200, 50), 2.0**24, np.float32)  # noise is rounded to even numbers
    noisy = scores - np.log(np.random.default_rng(5).standard_exponential(scores.shape, dtype=np.float32))
    counts = rng.integers(0, 20, 200)
    row, column, rank = draw(scores, counts, np.random.default_rng(5))
    np.testing.assert_array_equal(np.bincount(row, minlength=200), counts)
    assert len(np.unique(row * 50 + column)) == len(row)
    np.testing.assert_array_equal(noisy[row, column], -np.sort(-noisy, axis=1)[row, rank])


def test_first_and_second_draws_are_in_proportion_to_the_weights() -> None:
    """The second one: proportional among what the first one left."""
    weights, rows = np.array([0.5, 0.25, 0.15, 0.1]), 100_000
    scores = np.tile(np.log(weights).astype(np.float32), (rows, 1))
    _, column, rank = draw(scores, np.full(rows, 2), np.random.default_rng(6))
    first, second = column[rank == 0], column[rank == 1]
    expected = weights[:, None] * weights / (1 - weights[:, None]) * (1 - np.eye(4))
    seen = np.bincount(first * 4 + second, minlength=16).reshape(4, 4)
    off = ~np.eye(4, dtype=bool)
    chi_square = ((seen - rows * expected)[off] ** 2 / (rows * expected)[off]).sum()
    assert chi_square < 31.3  # 11 degrees of freedom, one in a thousand
    assert not seen[~off].any()


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    for counts in (np.zeros(3, np.int64), np.zeros(0, np.int64)):
        assert all(
            not len(part) for part in draw(np.zeros((len(counts), 5), np.float32), counts, np.random.default_rng())
        )
