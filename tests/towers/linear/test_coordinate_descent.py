"""Non-negative ridge regression by coordinate descent against an active-set solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from colisten.arrays import Floats64
from colisten.towers.linear.coordinate_descent import non_negative_ridge

PENALTY = 3.0


@pytest.fixture(params=range(4))
def problem(request: pytest.FixtureRequest) -> tuple[Floats64, Floats64]:
    """A matrix of correlated columns, and a target."""
    rng = np.random.default_rng(request.param)
    columns = rng.normal(size=(80, 5)) @ rng.normal(size=(5, 12)) + rng.normal(size=(80, 12))
    return columns, columns @ rng.normal(size=12) + rng.normal(size=80)


def solved(gram: Floats64, right: Floats64, start: Floats64 | None = None, sweeps: int = 10_000) -> Floats64:
    weights = np.zeros(len(right)) if start is None else start.copy()
    residual = right - gram @ weights
    non_negative_ridge(gram, residual, weights, PENALTY, 1e-10, sweeps)
    np.testing.assert_allclose(residual, right - gram @ weights, atol=1e-8)
    return weights


def test_it_is_the_non_negative_ridge(problem: tuple[Floats64, Floats64]) -> None:
    columns, target = problem
    stacked = np.concatenate([columns, PENALTY**0.5 * np.eye(12)])
    expected, _ = nnls(stacked, np.concatenate([target, np.zeros(12)]))
    weights = solved(columns.T @ columns, columns.T @ target)
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    assert (weights == 0).any()


def test_single_precision_counts_are_enough(problem: tuple[Floats64, Floats64]) -> None:
    columns, target = problem
    gram, weights = (columns.T @ columns).astype(np.float32), np.zeros(12)
    non_negative_ridge(gram, columns.T @ target, weights, PENALTY, 1e-10, 10_000)
    np.testing.assert_allclose(weights, solved(columns.T @ columns, columns.T @ target), atol=1e-4)


def test_less_a_constant_it_is_the_elastic_net(problem: tuple[Floats64, Floats64]) -> None:
    """The optimality conditions: the slope is 0 where a weight is positive, and not upwards where it is 0."""
    columns, target = problem
    gram, right = columns.T @ columns, columns.T @ target
    for sparsity in (5.0, 50.0):
        weights = solved(gram, right - sparsity)
        slope = right - gram @ weights - PENALTY * weights - sparsity
        assert np.abs(slope[weights > 0]).max(initial=0) < 1e-6
        assert slope[weights == 0].max(initial=-1) < 1e-6
    assert (solved(gram, right - np.abs(right).max() - 1) == 0).all()


def test_any_start_ends_at_the_same_weights(problem: tuple[Floats64, Floats64]) -> None:
    columns, target = problem
    gram, right = columns.T @ columns, columns.T @ target
    start = np.random.default_rng(0).random(12)
    np.testing.assert_allclose(solved(gram, right, start), solved(gram, right), atol=1e-6)
    done = solved(gram, right)
    np.testing.assert_array_equal(solved(gram, right, done, sweeps=0), done)


def test_an_empty_place_stays_zero(problem: tuple[Floats64, Floats64]) -> None:
    columns, target = problem
    columns[:, 4] = 0
    weights = solved(columns.T @ columns, columns.T @ target)
    kept = np.arange(12) != 4
    assert weights[4] == 0
    np.testing.assert_allclose(
        weights[kept], solved(columns[:, kept].T @ columns[:, kept], columns[:, kept].T @ target), atol=1e-9
    )
