"""Features that stream: the same rows from Neo4j, from memory-mapped files, under any budget and in any order."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.loader import NodeLoader

from colisten.arrays import Floats, Int64s
from colisten.errors import GraphError
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.stream import features as features_module
from colisten.graph_store.stream.features import FeatureCache, FeatureSource, PropertyRows
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.pyg import DatabaseFeatureStore, DatabaseGraphStore, DatabaseSampler
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import batch_key, stream
from colisten.prefetch import prefetch_map
from tests.conftest import wipe
from tests.graph_store.stream.graphs import load, random_graph

GRAPH = random_graph(300, 4_000, 8, types=2)
ITEMS = len(GRAPH.node_type)
VECTORS = np.random.default_rng(5).normal(size=(ITEMS, 7)).astype(np.float32)
NAMES = {"floats": "as a list", "packed": "as bytes"}


@pytest.fixture(scope="module")
def live(neo4j_endpoint: Endpoint) -> Iterator[LiveAdjacency]:
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        load(driver, GRAPH)
        rows = [{"item": i, "list": row.tolist(), "bytes": row.tobytes()} for i, row in enumerate(VECTORS)]
        driver.execute_query(
            "UNWIND $rows AS r MATCH (n:Item {item: r.item}) SET n.floats = r.list, n.packed = r.bytes", rows=rows
        )
    with LiveAdjacency.open(neo4j_endpoint, connections=3) as opened:
        yield opened


@pytest.fixture(scope="module")
def sources(live: LiveAdjacency, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FeatureSource]:
    """Neo4j, lists and bytes, and a memory-mapped file."""
    file = tmp_path_factory.mktemp("features") / "vectors.npy"
    np.save(file, VECTORS)
    rows = {name: PropertyRows(live._reader, live._metadata, name) for name in NAMES}
    return {**rows, "file": np.load(file, mmap_mode="r")}


def with_room(source: FeatureSource, live: LiveAdjacency, room: int) -> FeatureCache:
    """Room for so many rows: no budget in MiB is as small."""
    cache = FeatureCache(source, live, cache_mb=1)
    cache._start_anew(room)
    return cache


some_items = st.lists(st.integers(0, ITEMS - 1), max_size=60).map(lambda items: np.array(items, np.int64))


@pytest.mark.parametrize("name", [*NAMES, "file"])
@given(room=st.sampled_from([0, 1, 20, ITEMS]), asked=st.lists(some_items, min_size=1, max_size=6))
def test_rows_are_those_of_the_array_whatever_the_order_and_the_room(
    live: LiveAdjacency, sources: dict[str, FeatureSource], name: str, room: int, asked: list[Int64s]
) -> None:
    cache = with_room(sources[name], live, room)
    for items in asked:
        np.testing.assert_array_equal(cache(items), VECTORS[items])
    met = {int(item) for items in asked for item in items}
    kept = np.flatnonzero(cache._place >= 0)
    assert len(cache._rows) == room
    assert cache._known.sum() == len(met & set(kept.tolist()))


@pytest.mark.parametrize("name", NAMES)
def test_all_at_once_and_row_by_row_are_the_same_features(live: LiveAdjacency, name: str) -> None:
    whole = live.read_property(name)
    np.testing.assert_array_equal(whole, VECTORS)
    np.testing.assert_array_equal(live.stream_property(name, cache_mb=1)(np.arange(ITEMS)), whole)


@pytest.mark.parametrize("name", ["packed", "file"])
def test_the_items_with_most_edges_are_kept_and_not_read_again(
    live: LiveAdjacency, sources: dict[str, FeatureSource], name: str
) -> None:
    class Counted:
        shape = sources[name].shape
        read = 0

        def take(self, indices: Int64s, axis: int) -> Floats:
            self.read += len(indices)
            return sources[name].take(indices, axis=axis)

    source = Counted()
    cache = with_room(source, live, 50)
    degree = live.degrees.sum(axis=1)
    assert degree[cache._place >= 0].min() >= np.sort(degree)[-50]
    for _ in range(3):
        cache(np.arange(ITEMS))
    assert source.read == ITEMS + 2 * (ITEMS - 50)


@pytest.mark.parametrize("name", ["floats", "file"])
def test_threads_share_a_cache(live: LiveAdjacency, sources: dict[str, FeatureSource], name: str) -> None:
    cache = with_room(sources[name], live, 100)
    rng = np.random.default_rng(0)
    asked = [rng.integers(0, ITEMS, 80) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for items, found in zip(asked, pool.map(cache, asked), strict=True):
            np.testing.assert_array_equal(found, VECTORS[items])


@pytest.mark.parametrize("name", [*NAMES, "file"])
def test_batches_are_the_same_as_with_all_features_in_memory(
    live: LiveAdjacency, sources: dict[str, FeatureSource], name: str
) -> None:
    cache = with_room(sources[name], live, 30)
    batches = [Batch(np.arange(at, at + 30), batch_key(0, 0, at)) for at in range(0, 300, 30)]
    sampler = NeighbourSampler(live, (4, 4))
    streamed = stream(sampler, batches, lambda _, found: to_hetero_data(found, live, cache), prefetch=3)
    for batch, data in zip(batches, streamed, strict=True):
        expected = to_hetero_data(sampler.sample_together([batch])[0], live, VECTORS)
        assert all(torch.equal(data[kind].x, expected[kind].x) for kind in data.node_types)


def test_pygs_loader_fetches_features_with_the_batch(live: LiveAdjacency) -> None:
    store = DatabaseGraphStore(live)
    sampler = DatabaseSampler(store, fan_out=(3, 2))

    def loader(features: Floats | FeatureCache) -> NodeLoader:
        return NodeLoader((DatabaseFeatureStore(live, {"x": features}), store), sampler, "Podcast", batch_size=16)

    streamed = loader(live.stream_property("packed", cache_mb=1))
    ahead = prefetch_map(streamed, streamed.batch_sampler, threads=3, depth=5)
    for expected, batch in zip(loader(VECTORS), ahead, strict=True):
        assert all(torch.equal(expected[kind].x, batch[kind].x) for kind in batch.node_types)


def test_a_budget_of_bytes_is_kept(live: LiveAdjacency) -> None:
    wide = np.zeros((ITEMS, 20_000), np.float32)
    cache = FeatureCache(wide, live, cache_mb=4)
    assert 3.9 * 2**20 < cache._rows.nbytes + cache._place.nbytes + cache._known.nbytes <= 4 * 2**20


def test_a_cache_that_travels_is_empty(live: LiveAdjacency) -> None:
    cache = live.stream_property("packed", cache_mb=1)
    cache(np.arange(ITEMS))
    moved = pickle.loads(pickle.dumps(cache))  # noqa: S301 as multiprocessing does
    assert cache._known.any()
    assert not moved._known.any()
    np.testing.assert_array_equal(moved(np.arange(9)), VECTORS[:9])
    moved.source._reader.close()


def test_many_rows_are_read_in_pieces_over_all_connections(
    live: LiveAdjacency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_module, "_NUMBERS_PER_QUERY", 100)
    np.testing.assert_array_equal(live.read_property("floats"), VECTORS)


def test_what_is_no_feature_is_said(live: LiveAdjacency) -> None:
    for name in ("nonesuch", "id"):
        with pytest.raises(GraphError, match=name):
            live.stream_property(name, cache_mb=1)
    with pytest.raises(ValueError, match="one row an item"):
        FeatureCache(np.zeros((3, 2), np.float32), live, cache_mb=1)
    cache = live.stream_property("floats", cache_mb=1)
    for broken in ("[1.0, 2.0]", "null", "'text'", "[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0 / 0.0]"):
        with connect(live._reader.endpoint) as driver:
            driver.execute_query(f"MATCH (n:Item {{item: 3}}) SET n.floats = {broken}")
        with pytest.raises(GraphError, match="floats"):
            cache(np.array([3, 4]))
    np.testing.assert_array_equal(cache(np.array([5])), VECTORS[[5]])
