"""Top-k retrieval with exclusion, ranks and batches, against NumPy, for any histories."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.serving import ranking
from colisten.serving.index.collection import Collection, Conditions, new_name
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.publishing import publish_items
from colisten.serving.ranking import ExcludedItems, rank
from tests.serving.worlds import QUIET, TYPES, random_items, vectors

WHAT = random_items(90, width=4)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    index = EmbeddedIndex(tmp_path_factory.mktemp("ranking"), "colisten")
    publish_items(index, new_name("colisten", []), WHAT, QUIET, exact_up_to=10_000, keep=2)
    return index.open()


histories = st.lists(st.sets(st.integers(0, 89), max_size=90), min_size=1, max_size=7)


@settings(max_examples=150, deadline=None)
@given(heard=histories, k=st.integers(1, 120), kind=st.sampled_from(TYPES), hits=st.sampled_from([1, 60, 10**6]))
def test_the_best_items_that_the_user_has_not_heard(
    collection: Collection, heard: list[set[int]], k: int, kind: str, hits: int
) -> None:
    users = vectors(len(heard), 4, 5)
    pairs = np.array([(user, item) for user, items in enumerate(heard) for item in sorted(items)], np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "_HITS_AT_ONCE", hits)
        found = rank(collection, users, ExcludedItems(*pairs.reshape(-1, 2).T), k, Conditions((kind,)))
    of_kind = (WHAT.table["item_type"] == kind).to_numpy()
    for user, items in enumerate(heard):
        mine = found.users == user
        fresh = of_kind & ~np.isin(WHAT.items, sorted(items))
        scores = np.where(fresh, WHAT.vectors["towers"] @ users[user], -np.inf)
        best = np.argsort(-scores, kind="stable")[: min(k, int(fresh.sum()))]
        assert found.items[mine].tolist() == WHAT.items[best].tolist()
        assert found.ranks[mine].tolist() == list(range(1, len(best) + 1))
        np.testing.assert_allclose(found.scores[mine], scores[best], rtol=1e-4, atol=1e-5)
