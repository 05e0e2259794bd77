"""The product's strongest neighbours against dense NumPy, in memory and by parts on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from colisten.arrays import Floats, Floats64, Int64s
from colisten.graph_store import strongest_pairs
from colisten.graph_store.strongest_pairs import items_by_place, write_strongest_pairs
from colisten.graph_store.top_n_product import (
    Heard,
    Strongest,
    Weighing,
    find_last,
    keep_strongest,
    sort_strongest_first,
    whole,
)
from colisten.progress import Progress
from colisten.ragged import offsets
from colisten.settings import GraphSettings
from tests.graph_store.worlds import listening

QUIET = Progress(quiet=True)


def dense(heard: Floats, shrinkage: float) -> tuple[Floats64, Floats]:
    """[items, items] shared listeners and weights."""
    shared = heard.T.astype(np.float64) @ heard
    n = np.maximum(np.diag(shared), 1)
    weight = shared / np.sqrt(n[:, None] * n) * (shared / np.maximum(shared + shrinkage, 1e-9))
    return shared, np.asarray(weight, np.float32)


def strongest(item: int, among: list[int], shared: Floats64, weight: Floats, depth: int, least: int) -> list[int]:
    found = [other for other in among if other != item and shared[item, other] >= least]
    return sorted(found, key=lambda other: (-weight[item, other], -shared[item, other], other))[:depth]


def heard_at(rng: np.random.Generator, users: int, share: float) -> Int64s:
    """[users, 25] when each was heard; −1: never."""
    return np.where(rng.random((users, 25)) < share, rng.integers(0, 100, (users, 25)), -1)


@given(
    st.integers(0, 10**6), st.integers(1, 200), st.integers(1, 6), st.sampled_from([0.0, 1.0, 7.5]), st.integers(1, 3)
)
@examples(max_examples=60)
def test_neighbours_are_those_of_the_dense_product(
    seed: int, users: int, depth: int, shrinkage: float, least: int
) -> None:
    rng = np.random.default_rng(seed)
    times = heard_at(rng, users, rng.uniform(0.02, 0.6))
    times[:, 0] = np.where(rng.random(users) < 0.01, 7, -1)  # few listeners beside many
    heard = (times >= 0).astype(np.float32)
    items, listeners = np.nonzero(heard.T)
    rows = Heard(offsets(heard.sum(axis=0).astype(np.int64)), listeners.astype(np.int32), times.T[items, listeners])
    weighing = Weighing.of(np.diff(rows.indptr), [shrinkage], least)
    found = Strongest.empty(25, depth)
    assert sum(keep_strongest(0, rows, whole(rows, users, 0, np.array([0, 25])), weighing, found)) == 25
    sort_strongest_first(found)
    last = np.empty((25, depth), np.int64)
    find_last(rows, 0, rows, found, last)
    shared, weight = dense(heard, shrinkage)
    for item in range(25):
        wanted = strongest(item, list(range(25)), shared, weight, depth, least)
        assert found.neighbours[item, : found.sizes[item]].tolist() == wanted
        assert found.weights[item, : len(wanted)].tolist() == weight[item, wanted].tolist()
        assert found.listeners[item, : len(wanted)].tolist() == shared[item, wanted].tolist()
        both = [heard[:, item] * heard[:, other] > 0 for other in wanted]
        latest = [int(times[who][:, [item, other]].max()) for who, other in zip(both, wanted, strict=True)]
        assert last[item, : len(wanted)].tolist() == latest


@pytest.mark.parametrize("listen_bytes", [64, 1 << 20])
def test_ranks_of_several_shrinkages_come_from_one_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listen_bytes: int
) -> None:
    """A listen that takes a megabyte cuts the product into many parts."""
    monkeypatch.setattr(strongest_pairs, "_LISTEN_BYTES", listen_bytes)
    rng = np.random.default_rng(1)
    heard = (rng.random((60, 40)) < 0.2).astype(np.float32)
    times = rng.integers(1_600_000_000, 1_700_000_000, heard.shape)
    types = [("pod", "book", "clip")[item % 3] for item in range(40)]
    listens = [(int(user), int(item), 0, int(times[user, item])) for user, item in np.argwhere(heard)]
    data = listening(tmp_path / "data", types, listens)
    shrinkages = (0.0, 4.0)
    write_strongest_pairs(data, GraphSettings(memory_mb=128), 3, shrinkages, tmp_path / "pairs.parquet", QUIET)
    pairs, item_at = pl.read_parquet(tmp_path / "pairs.parquet"), items_by_place(data)
    at_place = heard[:, item_at]
    kinds = np.array(types)[item_at]
    for number, shrinkage in enumerate(shrinkages):
        shared, weight = dense(at_place, shrinkage)
        wanted = [
            (place, other, rank)
            for place in range(40)
            for kind in ("book", "clip", "pod")
            for rank, other in enumerate(
                strongest(place, np.flatnonzero(kinds == kind).tolist(), shared, weight, 3, least=1)
            )
        ]
        found = pairs.filter(pl.col("shrinkage") == number).select("node", "neighbour", "rank")
        assert sorted(found.rows()) == sorted(wanted)
    both = heard[:, item_at[pairs["node"]]] * heard[:, item_at[pairs["neighbour"]]] > 0
    latest = np.maximum(times[:, item_at[pairs["node"]]], times[:, item_at[pairs["neighbour"]]])
    assert pairs["last"].to_list() == np.where(both, latest, 0).max(axis=0).tolist()
