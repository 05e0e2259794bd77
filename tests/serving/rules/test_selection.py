"""Quotas and MMR against the same words in plain Python, item by item."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from colisten.arrays import Floats
from colisten.serving import selection
from colisten.serving.ranking import Ranked
from colisten.serving.selection import Shortlists, select

ITEMS, WIDTH = 60, 3
VECTORS = np.random.default_rng(3).standard_normal((ITEMS, WIDTH)).astype(np.float16)
VECTORS[7] = 0


def ranking(items: list[list[int]], scores: Floats) -> Ranked:
    """Some items of each user, best first."""
    ordered = [sorted(of_user, key=lambda item: -scores[item]) for of_user in items]
    users = np.repeat(np.arange(len(items)), [len(each) for each in ordered])
    flat = np.array([item for each in ordered for item in each], np.int64)
    ranks = np.array([rank for each in ordered for rank in range(1, len(each) + 1)], np.int32)
    return Ranked(users, flat, scores[flat], ranks)


def cosine(a: Floats, b: Floats) -> float:
    return float(a @ b / max(math.sqrt(a @ a) * math.sqrt(b @ b), 1e-9))


def by_hand(
    kinds: list[list[int]], scores: Floats, k: int, least: list[int], diversity: float, vectors: Floats
) -> list[int]:
    kind_of = {item: kind for kind, items in enumerate(kinds) for item in items}
    order = sorted(kind_of, key=lambda item: -scores[item])
    gain = {item: 1 / math.log2(rank + 1) for rank, item in enumerate(order, start=1)}
    owed = [min(count, len(items)) for count, items in zip(least, kinds, strict=True)]
    free = k - sum(owed)
    taken: list[int] = []
    while len(taken) < k:
        may = [item for item in order if item not in taken and (owed[kind_of[item]] or free)]
        if not may:
            break

        def value(item: int) -> float:
            similar = [cosine(vectors[item], vectors[other]) for other in taken]
            return (1 - diversity) * gain[item] - diversity * sum(similar) / max(1, len(similar))

        best = max(may, key=value)
        taken.append(best)
        if owed[kind_of[best]]:
            owed[kind_of[best]] -= 1
        else:
            free -= 1
    return sorted(taken, key=order.index)


@given(
    data=st.data(), kinds=st.integers(1, 3), users=st.integers(0, 4), k=st.integers(1, 12),
    diversity=st.sampled_from([0.0, 0.15, 0.5, 1.0]), cells=st.sampled_from([1, 1 << 24]),
)  # fmt: skip
def test_one_after_the_other_as_in_plain_python(
    data: st.DataObject, kinds: int, users: int, k: int, diversity: float, cells: int
) -> None:
    scores = np.random.default_rng(k).permutation(ITEMS).astype(np.float32)
    own = [[item for item in range(ITEMS) if item % kinds == kind] for kind in range(kinds)]
    lists = [
        data.draw(
            st.lists(st.lists(st.sampled_from(of_kind), unique=True, max_size=15), min_size=users, max_size=users)
        )
        for of_kind in own
    ]
    least = [data.draw(st.integers(0, k // kinds)) for _ in range(kinds)]
    before, selection._CELLS_AT_ONCE = selection._CELLS_AT_ONCE, cells
    found = select(
        Shortlists.of([ranking(of_kind, scores) for of_kind in lists], users, 15), k, least, diversity, VECTORS
    )
    selection._CELLS_AT_ONCE = before
    for user in range(users):
        mine = found.users == user
        wanted = by_hand([of_kind[user] for of_kind in lists], scores, k, least, diversity, VECTORS.astype(np.float32))
        assert found.items[mine].tolist() == wanted
        assert found.scores[mine].tolist() == scores[wanted].tolist()
        assert found.ranks[mine].tolist() == list(range(1, len(wanted) + 1))


def test_the_best_of_all_is_taken_first_whatever_the_diversity() -> None:
    scores = np.arange(ITEMS, dtype=np.float32)
    found = select(
        Shortlists.of([ranking([[0, 2, 4]], scores), ranking([[5, 9, 11]], scores)], 1, 15), 1, [0, 0], 1, VECTORS
    )
    assert found.items.tolist() == [11]
