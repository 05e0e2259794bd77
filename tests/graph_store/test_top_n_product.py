"""The product's strongest neighbours against dense NumPy, in memory and by parts on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.sparse import csr_array

from colisten.arrays import Floats, Floats64
from colisten.graph_store import strongest_pairs
from colisten.graph_store.strongest_pairs import items_by_place, write_strongest_pairs
from colisten.graph_store.top_n_product import co_listened
from colisten.progress import Progress
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


@given(
    st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 6), st.sampled_from([0.0, 1.0, 7.5]), st.integers(1, 3)
)
@examples(max_examples=60)
def test_neighbours_are_those_of_the_dense_product(
    seed: int, users: int, depth: int, shrinkage: float, least: int
) -> None:
    rng = np.random.default_rng(seed)
    heard = (rng.random((users, 25)) < rng.uniform(0.02, 0.6)).astype(np.float32)
    found = co_listened(csr_array(heard), depth, shrinkage=shrinkage, min_listeners=least)
    shared, weight = dense(heard, shrinkage)
    for item in range(25):
        wanted = strongest(item, list(range(25)), shared, weight, depth, least)
        mine = slice(*found.indptr[item : item + 2])
        assert found.items[mine].tolist() == wanted
        assert found.weights[mine].tolist() == weight[item, wanted].tolist()
        assert found.listeners[mine].tolist() == shared[item, wanted].tolist()


@pytest.mark.parametrize("listen_bytes", [64, 1 << 20])
def test_ranks_of_several_shrinkages_come_from_one_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listen_bytes: int
) -> None:
    """A listen that takes a megabyte cuts the product into many parts."""
    monkeypatch.setattr(strongest_pairs, "_LISTEN_BYTES", listen_bytes)
    rng = np.random.default_rng(1)
    heard = (rng.random((60, 40)) < 0.2).astype(np.float32)
    types = [("pod", "book", "clip")[item % 3] for item in range(40)]
    listens = [(int(user), int(item), 0, None) for user, item in np.argwhere(heard)]
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
    assert pairs["last"].null_count() == len(pairs)
