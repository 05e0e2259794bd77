"""Item–item weights and their low rank, against independent solvers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import csr_array

from colisten.progress import Progress
from colisten.towers.item_weights import item_weights, nearest
from colisten.towers.reduced_rank import reduced

USERS, ITEMS = 200, 12


@pytest.fixture
def heard() -> csr_array:
    rng = np.random.default_rng(0)
    circle = rng.integers(0, 3, USERS)
    chance = np.where(np.arange(ITEMS)[None] % 3 == circle[:, None], 0.6, 0.15)
    return csr_array((rng.random((USERS, ITEMS)) < chance).astype(np.float32))


def fit(heard: csr_array, neighbours: int, penalty: float) -> np.ndarray:
    with Progress(quiet=True) as progress:
        near = nearest(heard, neighbours, np.ones(heard.shape[1], bool))
        return item_weights(heard, near, np.arange(heard.shape[1]), penalty, progress).toarray()


def test_the_nearest_are_those_of_highest_cosine(heard: csr_array) -> None:
    x = heard.toarray()
    cosine = (x.T @ x) / np.linalg.norm(x, axis=0)[:, None] / np.linalg.norm(x, axis=0)[None]
    np.fill_diagonal(cosine, -1)
    wanted = np.sort(np.argsort(-cosine, axis=1)[:, :3], axis=1)
    np.testing.assert_array_equal(nearest(heard, 3, np.ones(ITEMS, bool)), wanted)


def test_only_those_among_are_near_and_places_left_over_hold_the_item_itself(heard: csr_array) -> None:
    among = np.arange(ITEMS) < 2
    near = nearest(heard, 4, among)
    assert all(set(row) <= {0, 1, item} for item, row in enumerate(near.tolist()))
    with Progress(quiet=True) as progress:
        weights = item_weights(heard, near, np.arange(ITEMS), 1.0, progress).toarray()
    assert not weights.diagonal().any()
    assert not weights[2:].any()
    assert weights[:2].any()


@pytest.mark.parametrize(("neighbours", "penalty"), [(ITEMS - 1, 5.0), (4, 20.0)])
def test_weights_are_the_non_negative_ridge_solution(heard: csr_array, neighbours: int, penalty: float) -> None:
    found, x = fit(heard, neighbours, penalty), heard.toarray().astype(np.float64)
    for item, near in enumerate(nearest(heard, neighbours, np.ones(ITEMS, bool))):
        stacked = np.concatenate([x[:, near], np.sqrt(penalty) * np.eye(len(near))])
        wanted, _ = nnls(stacked, np.concatenate([x[:, item], np.zeros(len(near))]))
        assert found[near, item] == pytest.approx(wanted, abs=2e-3)
        assert found[item, item] == 0


def test_blocks_of_a_large_catalogue_give_what_one_gram_matrix_gives(
    heard: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(heard, 4, 10.0)
    monkeypatch.setattr("colisten.towers.item_weights._GRAM_ITEMS", 8)
    monkeypatch.setattr("colisten.towers.item_weights._BLOCK_ITEMS", 8)
    monkeypatch.setattr("colisten.towers.item_weights._CELLS", 40)
    np.testing.assert_allclose(fit(heard, 4, 10.0), whole, atol=1e-5)


def test_full_rank_is_exact_and_a_lower_one_the_best_for_the_scores(heard: csr_array) -> None:
    weights, rng = fit(heard, 6, 10.0), np.random.default_rng(0)
    ones = np.ones(ITEMS, np.float32)
    sparse = csr_array(weights).tocsc()
    from_items, to_items = reduced(heard, sparse, ones, ITEMS, rng)
    np.testing.assert_allclose(from_items @ to_items.T, weights, atol=1e-5)
    scores = heard.toarray() @ weights
    from_items, to_items = reduced(heard, sparse, ones, 3, rng)
    left = np.linalg.norm(scores - heard.toarray() @ from_items @ to_items.T)
    assert left == pytest.approx(np.linalg.norm(np.linalg.svd(scores)[1][3:]), rel=1e-3)


def test_an_important_item_is_kept_best(heard: csr_array) -> None:
    weights = csr_array(fit(heard, 6, 10.0)).tocsc()

    def error(importance: np.ndarray) -> float:
        from_items, to_items = reduced(heard, weights, importance.astype(np.float32), 2, np.random.default_rng(0))
        return float(np.linalg.norm((heard @ (from_items @ to_items.T - weights.toarray()))[:, 5]))

    marked = np.where(np.arange(ITEMS) == 5, 10.0, 1.0)
    assert error(marked) < error(np.ones(ITEMS))
