"""The live back end on a real Neo4j: congruent with a snapshot, steady, and gone when closed."""

from __future__ import annotations

import multiprocessing
import pickle
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.context import ForkContext, SpawnContext
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neo4j import Driver

from colisten.arrays import Int64s
from colisten.errors import GraphError
from colisten.graph_store import schema
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.schema import relationship_of
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.stream import degrees
from colisten.graph_store.stream import export as export_module
from colisten.graph_store.stream import live as live_module
from colisten.graph_store.stream import sampler as sampler_module
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.cache import RowCache
from colisten.graph_store.stream.csr import EdgeArrays
from colisten.graph_store.stream.draw import draw
from colisten.graph_store.stream.edge_reading import read_edges, read_rows
from colisten.graph_store.stream.export import export_snapshot
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.graph_store.stream.streaming import batch_key, stream
from colisten.progress import Progress
from colisten.settings import Neo4jSettings
from colisten.workdir import Workdir
from tests.conftest import wipe
from tests.graph_store.stream.graphs import load, random_graph
from tests.graph_store.stream.test_sampler import SamplerOptions, same, sampler_options

GRAPH = random_graph(400, 6_000, 3, relations=2)


@pytest.fixture(scope="module")
def loaded(neo4j_endpoint: Endpoint) -> Endpoint:
    """The session's server with GRAPH in it; tests that load another one come last in this file."""
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        load(driver, GRAPH)
    return neo4j_endpoint


def opened(endpoint: Endpoint, room: int | None = None) -> LiveAdjacency:
    """With room for so many neighbours (a number that no budget in MiB could give), or for all."""
    live = LiveAdjacency.open(
        endpoint, connections=3, node_type=GRAPH.node_type, node_types=GRAPH.node_types, relations=GRAPH.relations
    )
    if room is not None:
        live._cache, live._fits = RowCache(len(GRAPH.node_type), room), False
    return live


@pytest.mark.parametrize("room", [None, 0], ids=["all at once", "row by row"])
def test_many_relationship_types_are_read_alike(
    loaded: Endpoint, monkeypatch: pytest.MonkeyPatch, room: int | None
) -> None:
    monkeypatch.setattr(schema, "_MOST_ALTERNATIVES", 1)
    monkeypatch.setattr(degrees, "_MOST_COUNTED", 1)
    expected, items = GRAPH.adjacency(), np.arange(len(GRAPH.node_type))
    with opened(loaded, room) as live:
        assert np.array_equal(live.degrees, expected.degrees)
        ours, theirs = live.neighbours(items), expected.neighbours(items)
    assert np.array_equal(ours.indptr, theirs.indptr)
    assert np.array_equal(ours.items, theirs.items)
    assert np.array_equal(ours.weights, theirs.weights)


@pytest.fixture(scope="module")
def backends(loaded: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Adjacency]]:
    """Built from the edges at hand; live with room for all, for a part, for nothing; exported from Neo4j."""
    part, nothing = opened(loaded, room=3_000), opened(loaded, room=0)
    folder = tmp_path_factory.mktemp("snapshot") / "graph"
    exported = export_snapshot(
        loaded, folder, Progress(quiet=True),
        node_type=GRAPH.node_type, node_types=GRAPH.node_types, relations=GRAPH.relations,
    )  # fmt: skip
    live = [opened(loaded), part, nothing]
    yield [GRAPH.adjacency(), exported, *live]
    for adjacency in live:
        adjacency.close()


def test_all_back_ends_see_the_same_graph(backends: list[Adjacency]) -> None:
    items = np.random.default_rng(0).permutation(len(GRAPH.node_type))
    truth = backends[0].neighbours(items)
    for other in backends[1:]:
        np.testing.assert_array_equal(other.degrees, backends[0].degrees)
        found = other.neighbours(items)
        for name in ("indptr", "items", "weights"):
            np.testing.assert_array_equal(getattr(found, name), getattr(truth, name))


@settings(max_examples=40)
@given(options=sampler_options, seed=st.integers(0, 2**32), count=st.integers(1, 60))
def test_every_back_end_draws_the_same_batch(
    backends: list[Adjacency], options: SamplerOptions, seed: int, count: int
) -> None:
    seeds = np.random.default_rng(seed).choice(len(GRAPH.node_type), count, replace=False)
    pairs = (GRAPH.src[:50].astype(np.int64), GRAPH.dst[:50].astype(np.int64))
    samplers = [NeighbourSampler(adjacency, **options) for adjacency in backends]
    first, *others = [each.sample(seeds, np.random.default_rng(seed), without=pairs) for each in samplers]
    assert all(same(first, other) for other in others)
    edges, *more = [
        each.draw_edges(("audiobook", CO_LISTENED, "podcast"), count, np.random.default_rng(seed)) for each in samplers
    ]
    for other in more:
        for one, two in zip(edges, other, strict=True):
            np.testing.assert_array_equal(one, two)


def epoch(count: int = 12) -> list[Batch]:
    rng = np.random.default_rng(1)
    return [Batch(rng.choice(len(GRAPH.node_type), 20, replace=False), batch_key(7, 0, i)) for i in range(count)]


def run(adjacency: Adjacency, prefetch: int) -> list[Neighbourhood]:
    sampler = NeighbourSampler(adjacency, (3, 3))
    return list(stream(sampler, epoch(), lambda _, found: found, prefetch=prefetch))


@pytest.mark.parametrize("prefetch", [0, 1, 3, 16])
def test_a_stream_does_not_depend_on_threads_or_back_end(backends: list[Adjacency], prefetch: int) -> None:
    truth = [NeighbourSampler(backends[0], (3, 3)).sample_together([batch])[0] for batch in epoch()]
    for adjacency in backends:
        assert all(map(same, truth, run(adjacency, prefetch)))


def test_labels_tell_the_node_types_when_nobody_else_does(loaded: Endpoint) -> None:
    with LiveAdjacency.open(loaded) as live:
        assert live.node_types == ("Audiobook", "Podcast", "Video")
        np.testing.assert_array_equal(live.node_type, GRAPH.node_type)


@pytest.mark.parametrize("code", [0, 1])
def test_one_relation_may_be_streamed_without_the_other(loaded: Endpoint, code: int) -> None:
    kind, kinds, relations = GRAPH.node_type, GRAPH.node_types, GRAPH.relations[code : code + 1]
    mine = GRAPH.relation == code
    truth = SnapshotAdjacency.from_edges(
        GRAPH.src[mine], GRAPH.dst[mine], GRAPH.weight[mine], node_type=kind, node_types=kinds, relations=relations
    )
    with LiveAdjacency.open(loaded, node_type=kind, node_types=kinds, relations=relations) as live:
        found, expected = (each.neighbours(np.arange(len(GRAPH.node_type))) for each in (live, truth))
        np.testing.assert_array_equal(live.degrees, truth.degrees)
        np.testing.assert_array_equal(found.items, expected.items)


def test_rare_item_types_may_share_one_node_type(loaded: Endpoint) -> None:
    grouped = np.minimum(GRAPH.node_type, 1)
    kinds = ("audiobook", "other")
    with LiveAdjacency.open(loaded, node_type=grouped, node_types=kinds, relations=GRAPH.relations) as live:
        graph = replace(GRAPH, node_type=grouped, node_types=kinds)
        samplers = [NeighbourSampler(adjacency, (3, 3)) for adjacency in (live, graph.adjacency())]
        assert same(*(each.sample(np.arange(30), np.random.default_rng(0)) for each in samplers))


def test_what_items_carry_is_read_as_features(loaded: Endpoint) -> None:
    with opened(loaded) as live:
        assert live.read_property("vector").tolist() == [[float(i), 1.0] for i in range(len(GRAPH.node_type))]
        np.testing.assert_allclose(live.read_property("size")[:, 0], np.arange(len(GRAPH.node_type)) / 7, rtol=1e-6)
        for name in ("nonesuch", "id"):
            with pytest.raises(GraphError, match=name):
                live.read_property(name)


def connections_to(endpoint: Endpoint) -> int:
    port = int(endpoint.uri.rpartition(":")[2])
    found = psutil.Process().net_connections(kind="tcp")
    return sum(bool(each.raddr) and each.raddr.port == port and each.status == "ESTABLISHED" for each in found)


def test_closing_leaves_no_thread_and_no_connection(loaded: Endpoint) -> None:
    threads, before = set(threading.enumerate()), connections_to(loaded)
    live = opened(loaded)
    results = stream(NeighbourSampler(live, (3, 3)), epoch(), lambda _, found: found, prefetch=4)
    next(iter(results))
    assert connections_to(loaded) > before
    results.close()
    live.close()
    live.close()
    assert connections_to(loaded) == before
    assert set(threading.enumerate()) == threads


def test_an_error_in_a_thread_comes_where_its_batch_would_have(backends: list[Adjacency]) -> None:
    def finish(batch: Batch, found: Neighbourhood) -> int:
        if batch.key == epoch()[5].key:
            raise KeyError("five")
        return len(found.nodes)

    threads = set(threading.enumerate())
    seen: list[int] = []
    with pytest.raises(KeyError, match="five"):
        seen.extend(stream(NeighbourSampler(backends[2], (3,)), epoch(), finish, prefetch=4))
    assert set(threading.enumerate()) == threads


def test_an_error_while_rows_are_read_holds_nobody_up(loaded: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(1_000))

    def failing(*given: Any) -> Int64s:
        if next(calls) == 9:
            raise KeyError("nine")
        return draw(*given)

    monkeypatch.setattr(sampler_module, "draw", failing)
    with opened(loaded, room=0) as live, pytest.raises(KeyError, match="nine"):
        run(live, prefetch=4)


@pytest.mark.parametrize("room", [0, 40, 3_000])
def test_a_row_longer_than_a_reading_and_than_the_budget_is_streamed(
    loaded: Endpoint, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(live_module, "_ENDS_PER_QUERY", 7)
    truth = run(GRAPH.adjacency(), 0)
    with opened(loaded, room=room) as live:
        assert live.degrees.sum(axis=1).max() > 40
        assert all(map(same, truth, run(live, prefetch=3)))
        kept = live._cache.start >= 0
        assert live.degrees[kept].sum() == live._cache.used <= room


def test_a_few_rows_are_read_by_row_and_many_all_at_once(loaded: Endpoint) -> None:
    with opened(loaded) as live:
        truth = GRAPH.adjacency().neighbours(np.arange(400))
        few = np.arange(390, 400)
        live.neighbours(few)
        assert np.flatnonzero(live._cache.start >= 0).tolist() == few[live.degrees[few].sum(axis=1) > 0].tolist()
        np.testing.assert_array_equal(live.neighbours(np.arange(400)).items, truth.items)
        assert (live._cache.start >= 0).all()


def test_rows_beyond_the_budget_are_read_from_neo4j_once(loaded: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(*given: Any) -> Any:
        read.extend(given[2].tolist())
        return read_rows(*given)

    monkeypatch.setattr(live_module, "read_rows", counted)
    truth = run(GRAPH.adjacency(), 0)
    with opened(loaded, room=1_000) as live:
        for _ in range(2):
            assert all(map(same, truth, run(live, prefetch=3)))
        assert (live._cache.start < -1).any()
        assert len(read) == len(set(read))


def test_what_lies_in_the_file_is_read_by_a_fork_which_writes_nothing_there(loaded: Endpoint) -> None:
    context, seeds = ForkContext(), np.arange(25)
    with opened(loaded, room=0) as live:
        live.neighbours(np.arange(200))
        answer = context.Queue()
        worker = context.Process(target=_sample_in_worker, args=(live, seeds, answer))
        worker.start()
        live.neighbours(np.arange(400))
        truth = NeighbourSampler(GRAPH.adjacency(), (3, 3)).sample(seeds, np.random.default_rng(0))
        assert same(truth, answer.get(timeout=120))
        worker.join(60)
        assert same(truth, NeighbourSampler(live, (3, 3)).sample(seeds, np.random.default_rng(0)))


def test_no_more_batches_are_made_ahead_than_the_budget_has_room_for() -> None:
    adjacency = GRAPH.adjacency()
    sampler = NeighbourSampler(adjacency, (3, 3))

    def threads() -> set[str]:
        return set(stream(sampler, epoch(), lambda *_: threading.current_thread().name, prefetch=4))

    assert len(threads()) > 1
    adjacency.work_bytes = 10
    assert threads() == {threading.current_thread().name}


def _sample_in_worker(live: LiveAdjacency, seeds: Int64s, answer: multiprocessing.Queue[Neighbourhood]) -> None:
    found = NeighbourSampler(live, (3, 3)).sample(seeds, np.random.default_rng(0))
    live.close()
    answer.put(found)


@pytest.mark.parametrize("context", [ForkContext(), SpawnContext()], ids=["fork", "spawn"])
def test_worker_processes_open_connections_of_their_own(loaded: Endpoint, context: ForkContext | SpawnContext) -> None:
    seeds = np.arange(25)
    with opened(loaded) as live:
        truth = NeighbourSampler(GRAPH.adjacency(), (3, 3)).sample(seeds, np.random.default_rng(0))
        answer = context.Queue()
        workers = [context.Process(target=_sample_in_worker, args=(live, seeds, answer)) for _ in range(2)]
        for worker in workers:
            worker.start()
        assert all(same(truth, answer.get(timeout=120)) for _ in workers)
        for worker in workers:
            worker.join(60)
            assert worker.exitcode == 0
        assert same(truth, NeighbourSampler(live, (3, 3)).sample(seeds, np.random.default_rng(0)))


def test_what_travels_holds_no_connection_and_no_cache(loaded: Endpoint) -> None:
    with opened(loaded) as live:
        live.neighbours(np.arange(400))
        assert (live._cache.start >= 0).any()
        moved = pickle.loads(pickle.dumps(live))  # noqa: S301 as multiprocessing does
        assert (moved._cache.start < 0).all()
        with moved:
            np.testing.assert_array_equal(moved.neighbours(np.arange(9)).items, live.neighbours(np.arange(9)).items)


def test_a_budget_of_bytes_is_kept(loaded: Endpoint) -> None:
    with opened(loaded, room=500) as live:
        live.neighbours(np.arange(400))
        kept = np.flatnonzero(live._cache.start >= 0)
        assert 500 - live.degrees.sum(axis=1).max() < live.degrees[kept].sum() <= 500


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ManagedServer]:
    workdir = Workdir.open(tmp_path / "W", create=True)
    server = ManagedServer(workdir.neo4j, Neo4jSettings(memory_mb=512), Progress(quiet=True))
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
def test_a_restart_in_the_middle_of_an_epoch_costs_a_retry(own_server: ManagedServer) -> None:
    endpoint = own_server.start()
    with connect(endpoint) as driver:
        load(driver, GRAPH)
    truth = run(GRAPH.adjacency(), 0)
    with opened(endpoint, room=0) as live:
        results = stream(NeighbourSampler(live, (3, 3)), epoch(), lambda _, found: found, prefetch=2)
        found = [next(results), next(results)]
        with own_server.stopped():
            threading.Event().wait(1)
        found += list(results)
    assert all(map(same, truth, found))


@pytest.mark.parametrize("all_at_once", [True, False])
def test_a_graph_that_changes_under_an_epoch_is_noticed(
    neo4j_driver: Driver, neo4j_endpoint: Endpoint, all_at_once: bool
) -> None:
    graph = random_graph(60, 500, 4)
    load(neo4j_driver, graph)
    with LiveAdjacency.open(neo4j_endpoint) as live:
        live._fits = all_at_once
        live.neighbours(np.array([graph.src[0]]))
        gone = np.flatnonzero((graph.src != graph.src[0]) & (graph.dst != graph.src[0]))[0]
        ends = {"a": int(graph.src[gone]), "b": int(graph.dst[gone])}
        neo4j_driver.execute_query("MATCH (:Item {item: $a})-[r]-(:Item {item: $b}) DELETE r", ends)
        with pytest.raises(GraphError, match="no longer version 'v1'"):
            live.neighbours(np.arange(60))
    with LiveAdjacency.open(neo4j_endpoint) as live:
        live._fits = all_at_once
        name = relationship_of(EdgeType(graph.node_types[0], CO_LISTENED, graph.node_types[0]))
        neo4j_driver.execute_query(f"MATCH (a:Item {{item: 0}}) CREATE (a)-[:{name} {{weight: 1.0}}]->(:Item)")
        with pytest.raises(GraphError, match="no longer version 'v1'"):
            live.neighbours(np.arange(60))
        neo4j_driver.execute_query("MATCH (new:Item) WHERE new.item IS NULL DETACH DELETE new")
    with LiveAdjacency.open(neo4j_endpoint) as live:
        neo4j_driver.execute_query("MATCH (g:CoListeningGraph) SET g.version = 'v2'")
        live._checked -= 60
        with pytest.raises(GraphError, match="no longer version 'v1'"):
            live.neighbours(np.arange(10))


def test_what_is_not_there_is_said(neo4j_driver: Driver, neo4j_endpoint: Endpoint) -> None:
    with pytest.raises(GraphError, match="graph build"):
        LiveAdjacency.open(neo4j_endpoint)
    load(neo4j_driver, random_graph(60, 500, 4))
    with pytest.raises(GraphError, match="60 items"):
        LiveAdjacency.open(neo4j_endpoint, node_type=np.zeros(59, np.uint8), node_types=("a",))
    neo4j_driver.execute_query("MATCH (g:CoListeningGraph) SET g.complete = false")
    with pytest.raises(GraphError, match="whole"):
        LiveAdjacency.open(neo4j_endpoint)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = Endpoint(f"bolt://127.0.0.1:{free.getsockname()[1]}", "neo4j", neo4j_endpoint.password)
    with pytest.raises(GraphError, match="No Neo4j answers"):
        LiveAdjacency.open(nobody)


def test_an_export_is_made_once_per_version(
    neo4j_driver: Driver, neo4j_endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = random_graph(60, 500, 4)
    load(neo4j_driver, graph)

    def export() -> SnapshotAdjacency:
        return export_snapshot(neo4j_endpoint, tmp_path / "graph", Progress(quiet=True))

    export()
    stamp = (tmp_path / "graph" / "items.npy").stat().st_mtime_ns
    export()
    assert (tmp_path / "graph" / "items.npy").stat().st_mtime_ns == stamp
    neo4j_driver.execute_query(
        "MATCH (g:CoListeningGraph) SET g.version = 'v2' WITH g MATCH ()-[r]->() WITH r LIMIT 3 DELETE r"
    )
    assert len(export().items) == 2 * (len(graph.src) - 3)
    # A store whose relationship numbers have gaps is walked by node instead, to the same end.
    monkeypatch.setattr("colisten.graph_store.stream.edge_reading._SPARSE", -1_000_000)
    before = export()
    neo4j_driver.execute_query("MATCH (g:CoListeningGraph) SET g.version = 'v3'")
    np.testing.assert_array_equal(export().items, before.items)


def test_an_export_during_which_the_graph_changes_is_not_kept(
    neo4j_driver: Driver, neo4j_endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(neo4j_driver, random_graph(60, 500, 4))

    def interrupted(*given: Any) -> Iterator[EdgeArrays]:
        neo4j_driver.execute_query("MATCH ()-[r]->() WITH r LIMIT 1 DELETE r")
        yield from read_edges(*given)

    monkeypatch.setattr(export_module, "read_edges", interrupted)
    with pytest.raises(GraphError, match="changed while"):
        export_snapshot(neo4j_endpoint, tmp_path / "graph", Progress(quiet=True))
    assert list(tmp_path.iterdir()) == []
