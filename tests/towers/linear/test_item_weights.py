"""Item–item weights, against independent solvers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import csr_array

from colisten.arrays import Floats
from colisten.progress import Progress
from colisten.towers.linear.candidates import SHRINK, Candidates, candidate_pool, likeness
from colisten.towers.linear.item_weights import CoCounts, Ridge, item_weights

USERS, ITEMS = 200, 12
NO_TEXT = np.empty((ITEMS, 0), np.float32)


@pytest.fixture
def heard() -> csr_array:
    rng = np.random.default_rng(0)
    circle = rng.integers(0, 3, USERS)
    chance = np.where(np.arange(ITEMS)[None] % 3 == circle[:, None], 0.6, 0.15)
    return csr_array((rng.random((USERS, ITEMS)) < chance).astype(np.float32))


def near(heard: csr_array, count: int, text: np.ndarray = NO_TEXT, among: np.ndarray | None = None) -> Candidates:
    factors = np.ones(heard.shape[1]) if among is None else among
    with Progress(quiet=True) as progress:
        pool = candidate_pool(heard, text, np.arange(heard.shape[1]), np.arange(heard.shape[1]) < 5, progress)
    return pool.select(count, factors.astype(np.float32))


def fit(heard: csr_array, given: Candidates, *ridges: Ridge) -> list[np.ndarray]:
    """Weights [items + 1, items] of each ridge."""
    with Progress(quiet=True) as progress:
        return [found.toarray() for found in item_weights(CoCounts.of(heard), given, ridges, progress)]


def some_text(rng: np.random.Generator) -> np.ndarray:
    text = rng.normal(size=(ITEMS, 5)).astype(np.float32)
    length: Floats = np.linalg.norm(text, axis=1, keepdims=True)
    return text / length


def test_candidates_are_heard_together_or_read_alike(heard: csr_array) -> None:
    x, text = heard.toarray(), some_text(np.random.default_rng(1))
    length = np.linalg.norm(x, axis=0)
    cosine = (x.T @ x) / (length[:, None] * length[None] + SHRINK)
    for alike, given in ((0, near(heard, 3)), (likeness(text, np.arange(ITEMS)), near(heard, 3, text))):
        score = cosine + 0.3 * alike
        np.fill_diagonal(score, -1)
        np.testing.assert_array_equal(given.near, np.sort(np.argsort(-score, axis=1)[:, :3], axis=1))
    assert (likeness(text, np.arange(ITEMS)) >= 0).all()


def test_only_those_among_are_near_and_places_left_over_hold_the_item_itself(heard: csr_array) -> None:
    given = near(heard, 4, among=np.arange(ITEMS) < 2)
    assert all(set(row) <= {0, 1, item} for item, row in enumerate(given.near.tolist()))
    (weights,) = fit(heard, given, Ridge(1.0, 0.1))
    assert not weights.diagonal().any()
    assert not weights[2:ITEMS].any()
    assert weights[:2].any()


@pytest.mark.parametrize(
    ("count", "ridge"), [(ITEMS - 1, Ridge(5.0, 0.0)), (4, Ridge(20.0, 0.0)), (5, Ridge(9.0, 0.5))]
)
def test_weights_are_the_centred_non_negative_ridge_solution(heard: csr_array, count: int, ridge: Ridge) -> None:
    given = near(heard, count, some_text(np.random.default_rng(2)))
    _, found = fit(heard, given, Ridge(1e3, 1.0), ridge)
    x = heard.toarray().astype(np.float64)
    centred, root = x - x.mean(axis=0), np.sqrt(ridge.penalty)
    for item, (places, alike) in enumerate(zip(given.near, given.likeness, strict=True)):
        stacked = np.concatenate([centred[:, places], root * np.eye(count)])
        wanted, _ = nnls(stacked, np.concatenate([centred[:, item], root * ridge.text * alike]))
        assert found[places, item] == pytest.approx(wanted, abs=2e-3)
        assert found[ITEMS, item] == pytest.approx(x[:, item].mean() - x.mean(axis=0)[places] @ wanted, abs=2e-3)
        assert found[item, item] == 0


def test_a_large_penalty_leaves_popularity(heard: csr_array) -> None:
    (weights,) = fit(heard, near(heard, 4), Ridge(1e9, 0.0))
    np.testing.assert_allclose(weights[ITEMS], heard.toarray().mean(axis=0), rtol=1e-3)
    assert np.abs(weights[:ITEMS]).max() < 1e-4


def test_an_item_that_nobody_has_heard_gets_weights_from_its_text(heard: csr_array) -> None:
    x = heard.toarray()
    x[:, 7] = 0
    text = some_text(np.random.default_rng(3))
    text[7] = text[2]
    (weights,) = fit(csr_array(x), near(csr_array(x), 3, text), Ridge(30.0, 0.2))
    assert weights[:ITEMS, 7].argmax() == 2
    assert weights[2, 7] > 0.1


def test_blocks_of_a_large_catalogue_give_what_one_gram_matrix_gives(
    heard: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, ridge = some_text(np.random.default_rng(4)), Ridge(10.0, 0.1)
    (whole,) = fit(heard, near(heard, 4, text), ridge)
    monkeypatch.setattr("colisten.towers.linear.item_weights._PAIRS", 64)
    monkeypatch.setattr("colisten.towers.linear.candidates._CELLS", 40)
    given = near(heard, 4, text)
    np.testing.assert_allclose(fit(heard, given, ridge)[0], whole, atol=1e-5)
    counts = CoCounts.of(heard)
    assert counts.whole is None
    blocks = list(counts.blocks(given))
    assert len(blocks) > 1
    assert all(len(members) <= 8 for _, members, _ in blocks)
    for _, members, among in blocks:
        x = heard.toarray()[:, members]
        np.testing.assert_array_equal(among.toarray(), x.T @ x)
    assert np.concatenate([given.columns[block] for block, _, _ in blocks]).tolist() == list(range(ITEMS))
