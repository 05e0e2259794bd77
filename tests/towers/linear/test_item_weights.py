"""Item–item weights, against independent solvers."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls
from scipy.sparse import csr_array

from colisten.arrays import Floats
from colisten.listening.histories import UserHistories
from colisten.progress import Progress
from colisten.towers.linear import candidates
from colisten.towers.linear.candidates import SHRINK, Candidates, candidate_pool, near_texts
from colisten.towers.linear.interactions import Interactions
from colisten.towers.linear.item_weights import Ridge, item_weights

USERS, ITEMS = 200, 12
NO_TEXT = np.empty((ITEMS, 0), np.float32)


@pytest.fixture
def heard() -> csr_array:
    rng = np.random.default_rng(0)
    circle = rng.integers(0, 3, USERS)
    chance = np.where(np.arange(ITEMS)[None] % 3 == circle[:, None], 0.6, 0.15)
    return csr_array((rng.random((USERS, ITEMS)) < chance).astype(np.float32))


def interactions(heard: csr_array) -> Interactions:
    users, items = heard.nonzero()
    nothing = np.zeros(len(items), np.uint8), np.full(len(items), -1)
    indptr = np.searchsorted(users, np.arange(heard.shape[0] + 1))
    return Interactions.of(UserHistories(indptr, items.astype(np.int32), *nothing, {}), heard.shape[1], 1)


def near(heard: csr_array, count: int, text: np.ndarray = NO_TEXT, among: np.ndarray | None = None) -> Candidates:
    factors = np.ones(heard.shape[1]) if among is None else among
    with Progress(quiet=True) as progress:
        is_target = np.arange(heard.shape[1]) < 5
        texts = near_texts(text, is_target, progress)
        pool = candidate_pool(interactions(heard), text, texts, np.arange(heard.shape[1]), is_target, progress)
    return pool.select(count, factors.astype(np.float32))


def fit(heard: csr_array, given: Candidates, *ridges: Ridge) -> list[np.ndarray]:
    """Weights [items + 1, items] of each ridge."""
    with Progress(quiet=True) as progress:
        return [found.toarray() for found in item_weights(interactions(heard), given, ridges, progress)]


def some_text(rng: np.random.Generator) -> np.ndarray:
    text = rng.normal(size=(ITEMS, 5)).astype(np.float32)
    length: Floats = np.linalg.norm(text, axis=1, keepdims=True)
    return text / length


def test_candidates_are_heard_together_or_read_alike(heard: csr_array) -> None:
    x, text = heard.toarray(), some_text(np.random.default_rng(1))
    length = np.linalg.norm(x, axis=0)
    cosine = (x.T @ x) / (length[:, None] * length[None] + SHRINK)
    for alike, found in ((0, near(heard, 3)), ((text @ text.T).clip(0) ** 2, near(heard, 3, text))):
        score = cosine + 0.3 * alike
        np.fill_diagonal(score, -1)
        np.testing.assert_array_equal(found.near, np.sort(np.argsort(-score, axis=1)[:, :3], axis=1))


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


def test_no_slice_of_a_large_catalogue_makes_a_difference(heard: csr_array, monkeypatch: pytest.MonkeyPatch) -> None:
    text, ridge = some_text(np.random.default_rng(4)), Ridge(10.0, 0.1)
    given = near(heard, 4, text)
    (whole,) = fit(heard, given, ridge)
    monkeypatch.setattr("colisten.towers.linear.item_weights._COLUMNS_AT_ONCE", 5)
    monkeypatch.setattr("colisten.towers.linear.candidates._COLUMNS_AT_ONCE", 5)
    again = near(heard, 4, text)
    np.testing.assert_array_equal(again.near, given.near)
    np.testing.assert_array_equal(fit(heard, again, ridge)[0], whole)


@given(seed=st.integers(0, 99), depth=st.sampled_from([1, 3, 40]), pool=st.sampled_from([2, 7, 800]))
def test_candidates_are_the_strongest_of_all_that_was_heard_together_and_of_the_nearest_texts(
    seed: int, depth: int, pool: int
) -> None:
    rng = np.random.default_rng(seed)
    items, users = 40, 60
    heard = (rng.random((users, items)) < rng.choice([0.02, 0.2], items)).astype(np.float32)
    text = rng.normal(size=(items, 6)).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    text[rng.random(items) < 0.2] = 0
    is_target = rng.random(items) < 0.6
    with patch.multiple(candidates, NEAR_TEXTS=depth, POOL=pool), Progress(quiet=True) as progress:
        near = candidates.near_texts(text, is_target, progress)
        found = candidate_pool(interactions(csr_array(heard)), text, near, np.arange(items), is_target, progress)
    together, length = heard.T @ heard, np.linalg.norm(heard, axis=0)
    cosine = text @ text.T
    for item in range(items):
        for side in (is_target, ~is_target):
            others = side & (np.arange(items) != item)
            told = others & text.any(axis=1) & text[item].any()
            nearest = np.argsort(-np.where(told, cosine[item], -np.inf), kind="stable")[: min(depth, told.sum())]
            asked = others & ((together[item] > 0) | np.isin(np.arange(items), nearest))
            score = together[item] / (length[item] * length + SHRINK) + 0.3 * cosine[item].clip(0) ** 2
            wanted = np.sort(np.append(np.zeros(pool), score[asked]))[::-1][:pool]  # one of next to nothing may be lost
            mine = found.score[item][side[found.near[item]]]
            np.testing.assert_allclose(np.sort(np.append(np.zeros(pool), mine))[::-1][:pool], wanted, atol=1e-6)
