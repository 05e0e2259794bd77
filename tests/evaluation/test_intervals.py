"""Intervals against NumPy, and that they hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.evaluation.intervals import bootstrap, interval, standard_error


def test_standard_error_is_sigma_over_root_n() -> None:
    values = np.random.default_rng(0).random((50, 3))
    assert standard_error(values) == pytest.approx(values.std(axis=0) / np.sqrt(50))


def test_bootstrap_spreads_like_the_standard_error() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((400, 2))
    means = bootstrap(values, 2000, rng)
    assert means.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=0.003)
    assert means.std(axis=0) == pytest.approx(standard_error(values), rel=0.1)


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(2)
    first = rng.random(200)
    values = np.stack([first, first + 0.01], axis=1)
    means = bootstrap(values, 500, rng)
    low, high = interval(means[:, 1:] - means[:, :1])
    assert (low[0], high[0]) == pytest.approx((0.01, 0.01))


def test_the_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        low, high = interval(bootstrap(rng.random((60, 1)), 200, rng))
        covered += bool(low[0] <= 0.5 <= high[0])
    assert 0.88 <= covered / 200 <= 0.99
