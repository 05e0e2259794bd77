"""Every search against NumPy, over both back ends, with and without conditions."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from colisten.arrays import Bools, Floats
from colisten.errors import IndexStoreError
from colisten.serving.index import qdrant
from colisten.serving.index.collection import EVERYTHING, Conditions, Hits, Index, new_name
from colisten.serving.published_items import PublishedItems
from colisten.serving.publishing import publish_items
from tests.serving.worlds import GENRES, LANGUAGES, QUIET, TYPES, random_items, vectors

SOME = (
    ((), TYPES[:1], TYPES[2:], TYPES[:2]),
    ((), LANGUAGES[:1], LANGUAGES),
    ((), GENRES[3:], GENRES[:2]),
)


HALF = 2e-2
"""What qdrant-client's own in-memory engine loses by adding in half precision."""


def fulfils(what: PublishedItems, conditions: Conditions) -> Bools:
    """Row by row in Python: an oracle that shares nothing with the engine."""
    return np.array(
        [
            (not conditions.item_types or row["item_type"] in conditions.item_types)
            and (not conditions.languages or row["language"] in conditions.languages)
            and (not conditions.genres or bool(set(row["genres"] or ()) & set(conditions.genres)))
            for row in what.table.iter_rows(named=True)
        ]
    )


def check(what: PublishedItems, scores: Floats, chosen: Bools, hits: Hits, rounding: float = 1e-5) -> None:
    """The best by score, in order; items whose scores differ by less than `rounding` may change places."""
    for row, found, given in zip(np.where(chosen, scores, -np.inf), hits.items, hits.scores, strict=True):
        best = np.argsort(-row, kind="stable")[: min(len(found), int(chosen.sum()))]
        listed = found[: len(best)]
        assert len(set(listed.tolist())) == len(best)
        reached = row[np.searchsorted(what.items, listed)]
        np.testing.assert_allclose(reached, row[best], atol=rounding)
        np.testing.assert_allclose(given[: len(best)], reached, rtol=1e-4, atol=rounding)
        assert (found[len(best) :] == -1).all()
        assert np.isneginf(given[len(best) :]).all()


@pytest.mark.slow
@pytest.mark.parametrize("int8", [False, True])
def test_searches_are_exact_whatever_the_conditions(index: Index, *, int8: bool) -> None:
    what = random_items(700)
    publish_items(index, new_name(index.alias, []), what, QUIET, exact_up_to=10_000, keep=2, int8=int8)
    collection = index.open()
    assert collection.ef is None
    users = vectors(5, 16, 9)
    cosine = what.vectors["hgnn"] / np.linalg.norm(what.vectors["hgnn"], axis=1, keepdims=True)
    taste = users[:, :8] / np.linalg.norm(users[:, :8], axis=1, keepdims=True)
    texts = what.vectors["text"].astype(np.float32)
    for kinds, languages, genres in product(*SOME):
        conditions = Conditions(kinds, languages, genres)
        chosen = fulfils(what, conditions)
        assert collection.count(conditions) == chosen.sum()
        hits = collection.search("towers", users, 40, conditions, collection.ef)
        check(what, users @ what.vectors["towers"].T, chosen, hits, HALF)
        nearest = collection.search("hgnn", users[:, :8], 12, conditions, collection.ef)
        check(what, taste @ cosine.T, chosen, nearest)
        read = collection.search("text", texts[3:5], 12, conditions, collection.ef)
        check(what, texts[3:5] @ texts.T, chosen, read)


@pytest.mark.slow
def test_int8_vectors_find_what_the_vectors_themselves_find(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant, "_LEAST_CANDIDATES", 0)
    what = random_items(500)
    for int8 in (False, True):
        publish_items(index, new_name(index.alias, index.ready()), what, QUIET, exact_up_to=1000, keep=2, int8=int8)
    exact, quick = (index.open(name) for name in index.ready())
    for seed, (limit, length) in enumerate(product((1, 5, 20), (0, 1e-3, 1, 50))):
        users = length * vectors(8, 16, seed)
        for conditions in (EVERYTHING, Conditions(TYPES[:1]), Conditions(items=frozenset(what.items[:90].tolist()))):
            wanted, hits = (each.search("towers", users, limit, conditions, each.ef) for each in (exact, quick))
            np.testing.assert_array_equal(hits.items, wanted.items)
            np.testing.assert_allclose(hits.scores, wanted.scores, rtol=1e-3)


def between(least: float, largest: float) -> PublishedItems:
    what = random_items(2500)
    drawn = np.random.default_rng(1).uniform(least, largest, (len(what), 16))
    return replace(what, vectors={**what.vectors, "towers": drawn.astype(np.float16)})


@pytest.mark.slow
@pytest.mark.parametrize("index", ["embedded", "server"], indirect=True)
@pytest.mark.parametrize(("least", "largest"), [(-0.5, 3), (-3, 0.5)])
def test_int8_searches_bear_items_whose_numbers_lean_to_one_side(index: Index, least: float, largest: float) -> None:
    what = between(least, largest)
    publish_items(index, new_name(index.alias, []), what, QUIET, exact_up_to=10_000, keep=2, int8=True)
    users = np.concatenate([vectors(20, 16, 3), 5 * np.abs(vectors(20, 16, 4)), -np.eye(16, dtype=np.float32)])
    exact = users @ what.vectors["towers"].T.astype(np.float32)
    best = what.items[np.argsort(-exact, axis=1)[:, :100]]
    hits = index.open().search("towers", users, 100, EVERYTHING, None)
    recall = np.mean([len(set(a) & set(b)) / 100 for a, b in zip(best.tolist(), hits.items.tolist(), strict=True)])
    assert recall >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("index", ["embedded", "server"], indirect=True)
def test_int8_vectors_of_one_sign_are_refused(index: Index) -> None:
    with pytest.raises(IndexStoreError, match="quantization=none"):
        publish_items(index, new_name(index.alias, []), between(0.1, 3), QUIET, exact_up_to=10_000, keep=2, int8=True)
    assert not index.ready()


@pytest.mark.slow
@pytest.mark.parametrize("index", ["embedded", "server"], indirect=True)
@pytest.mark.parametrize("int8", [False, True])
def test_a_graph_searches_as_wide_as_its_recall_needs(index: Index, *, int8: bool) -> None:
    what = random_items(3000)
    publish_items(index, new_name(index.alias, []), what, QUIET, exact_up_to=1000, keep=2, int8=int8)
    collection = index.open()
    assert collection.ef is not None
    users = vectors(40, 16, 9)
    chosen = fulfils(what, Conditions(TYPES[:1], LANGUAGES[:2]))
    hits = collection.search("towers", users, 50, Conditions(TYPES[:1], LANGUAGES[:2]), collection.ef)
    exact = np.where(chosen, users @ what.vectors["towers"].T, -np.inf)
    best = what.items[np.argsort(-exact, axis=1)[:, :50]]
    recall = np.mean([len(set(a) & set(b)) / 50 for a, b in zip(best.tolist(), hits.items.tolist(), strict=True)])
    assert recall >= 0.99


def test_of_equal_scores_the_lowest_numbers_are_given(index: Index) -> None:
    what = random_items(300)
    for rows in what.vectors.values():
        rows[20:260] = rows[20]
    publish_items(index, new_name(index.alias, []), what, QUIET, exact_up_to=10_000, keep=2)
    asked = np.concatenate([what.vectors["towers"][20:21], vectors(3, 16, 9)]).astype(np.float32)
    for limit in (1, 7, 240, 400):
        hits = index.open().search("towers", asked, limit, Conditions(), None)
        for items, scores in zip(hits.items, hits.scores, strict=True):
            assert np.lexsort((items, -scores)).tolist() == list(range(limit))
            alike = items[np.isin(items, what.items[20:260])]
            assert alike.tolist() == what.items[20:260][: len(alike)].tolist()
        assert 0 < len(alike) < limit or limit < 300


def test_a_vector_of_another_width_is_one_sentence(index: Index) -> None:
    publish_items(index, new_name(index.alias, []), random_items(60), QUIET, exact_up_to=10_000, keep=2)
    with pytest.raises(IndexStoreError):
        index.open().search("towers", vectors(1, 3, 0), 5, Conditions(), None)


@pytest.mark.parametrize("index", ["embedded", "server"], indirect=True)
def test_an_index_of_an_older_colisten_says_what_to_do(index: Index) -> None:
    what = random_items(60)
    older = {name: rows for name, rows in what.vectors.items() if name != "text"}
    publish_items(index, new_name(index.alias, []), replace(what, vectors=older), QUIET, exact_up_to=10_000, keep=2)
    for ask in (
        lambda: index.open().search("text", vectors(1, 384, 0), 5, Conditions(), None),
        lambda: index.open().vectors("text", [1, 2]),
    ):
        with pytest.raises(IndexStoreError, match="colisten index publish"):
            ask()
