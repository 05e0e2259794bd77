"""Top-k retrieval by dense and sparse scores, against the sum over all items in NumPy, for any histories."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient
from scipy.sparse import csr_array

from colisten.listening.pairs import UserItemPairs
from colisten.serving import block_search, ranking
from colisten.serving.eligible import Eligible
from colisten.serving.index.collection import Conditions, Index, new_name
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.index.layout import Layout
from colisten.serving.index.server import ServerIndex
from colisten.serving.payload_index import PayloadIndex
from colisten.serving.publishing import publish_items
from colisten.serving.ranking import ExcludedItems, ItemSource, rank
from colisten.towers.item_matrix import summed_rows
from colisten.towers.user_vectors import UserVectors
from tests.serving.index.numpy_index import NumpyCollection, NumpyIndex
from tests.serving.index.test_searching import fulfils
from tests.serving.worlds import GENRES, LANGUAGES, QUIET, TYPES, random_items, random_matrix

ITEMS = 90
WHAT = random_items(ITEMS, width=4)
ALL = np.zeros((ITEMS, 4), np.float16)
ALL[WHAT.items] = WHAT.vectors["towers"]
MATRIX = random_matrix(ITEMS, 11)
INVERTED = PayloadIndex(WHAT.inverted_lists())


@pytest.fixture(scope="module", params=["embedded", "int8", "client", "numpy", "blocks"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ItemSource:
    if request.param == "blocks":  # which look at no collection
        return ItemSource(NumpyCollection("blocks", Layout({}, (), None)), ALL)
    folder = tmp_path_factory.mktemp("ranking")
    index: Index = NumpyIndex("colisten")
    if request.param in ("embedded", "int8"):
        index = EmbeddedIndex(folder, "colisten")
    if request.param == "client":
        index = ServerIndex(QdrantClient(":memory:"), "colisten")
    int8 = request.param == "int8"
    publish_items(index, new_name("colisten", []), WHAT, QUIET, exact_up_to=10_000, keep=2, int8=int8)
    return ItemSource(index.open(), ALL)


histories = st.lists(st.sets(st.integers(0, ITEMS - 1), max_size=ITEMS), min_size=1, max_size=7)
conditions = st.builds(
    Conditions,
    st.sampled_from([(), TYPES[:1], TYPES[2:], TYPES[:2]]),
    st.sampled_from([(), LANGUAGES[:1], LANGUAGES]),
    st.sampled_from([(), GENRES[3:], GENRES[:2], ("no such",)]),
)


@settings(max_examples=150)
@given(
    heard=histories, k=st.integers(1, 120), kinds=st.lists(conditions, min_size=1, max_size=3),
    hits=st.sampled_from([1, 60, 10**6]), share=st.sampled_from([0.0, 0.1, 1.0, 9.0]), seed=st.integers(0, 99),
    block=st.sampled_from([1, 7, 30, 8192]),
)  # fmt: skip
def test_the_best_items_that_the_user_has_not_heard_by_the_sum_over_all_items(
    source: ItemSource,
    heard: list[set[int]],
    k: int,
    kinds: list[Conditions],
    hits: int,
    share: float,
    seed: int,
    block: int,
) -> None:
    dense = np.random.default_rng(seed).standard_normal((len(heard), 4), dtype=np.float32)
    pairs = np.array([(user, item) for user, items in enumerate(heard) for item in sorted(items)], np.int64)
    owned = ExcludedItems(*pairs.reshape(-1, 2).T)
    sparse = summed_rows(len(heard), [(MATRIX, UserItemPairs(owned.users, owned.items))])
    users = UserVectors(dense, sparse.times(np.full(len(heard), share, np.float32)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "_HITS_AT_ONCE", hits)
        patch.setattr(ranking, "_MANY", 1 if source.collection.name == "blocks" else 64)
        patch.setattr(block_search, "_ITEMS_AT_ONCE", block)
        answers = rank(source, users, owned, k, [Eligible(INVERTED, wanted) for wanted in kinds])
    weights = csr_array((MATRIX.weights, MATRIX.items, MATRIX.indptr), shape=(ITEMS, ITEMS)).toarray()
    for (wanted, found), (user, items) in product(zip(kinds, answers, strict=True), enumerate(heard)):
        mine = found.users == user
        fresh = fulfils(WHAT, wanted) & ~np.isin(WHAT.items, sorted(items))
        summed = (
            ALL[WHAT.items].astype(np.float32) @ dense[user] + share * weights[sorted(items)].sum(axis=0)[WHAT.items]
        )
        scores = np.where(fresh, summed, -np.inf)
        best = np.sort(scores)[::-1][: min(k, int(fresh.sum()))]
        assert found.ranks[mine].tolist() == list(range(1, len(best) + 1))
        assert len(set(found.items[mine].tolist())) == len(best)
        np.testing.assert_allclose(found.scores[mine], best, rtol=1e-4, atol=1e-4)
        places = np.searchsorted(WHAT.items, found.items[mine])
        np.testing.assert_allclose(scores[places], best, rtol=1e-4, atol=1e-4)
