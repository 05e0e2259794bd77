"""Snapshots: rows as networkx has them, files that survive a round trip, and refusals."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import GraphError
from colisten.graph_store.stream.csr import EdgeArrays, put_edges
from colisten.graph_store.stream.snapshot import SnapshotAdjacency, write_snapshot
from tests.graph_store.stream.graphs import Graph, random_graph

worlds = st.builds(
    random_graph, st.integers(4, 60), st.integers(0, 300), st.integers(0, 99), st.integers(1, 3), st.integers(1, 2)
)


@settings(max_examples=60)
@given(worlds)
def test_rows_hold_the_neighbours_ordered_by_relation_then_type_then_item(graph: Graph) -> None:
    adjacency, truth = graph.adjacency(), graph.networkx()
    rows = adjacency.neighbours(np.arange(len(graph.node_type)))
    for item in range(len(graph.node_type)):
        row = slice(rows.indptr[item], rows.indptr[item + 1])
        edges = [(relation, truth.nodes[other]["kind"], other) for _, other, relation in truth.edges(item, keys=True)]
        expected = sorted(edges)
        assert rows.items[row].tolist() == [other for _, _, other in expected]
        weights = [truth.edges[item, other, relation]["weight"] for relation, _, other in expected]
        assert rows.weights[row].tolist() == pytest.approx(weights)
        types, relations = len(graph.node_types), len(graph.relations)
        groups = [relation * types + kind for relation, kind, _ in expected]
        assert adjacency.degrees[item].tolist() == np.bincount(groups, minlength=relations * types).tolist()


def test_rows_with_a_gap_are_refused_before_anybody_reads_the_gap() -> None:
    graph = random_graph(40, 200, 2)
    truth = graph.adjacency()
    never_written = np.full(len(truth.items), 2**30, np.int32)
    edges = [EdgeArrays(graph.src[1:], graph.dst[1:], graph.weight[1:])]
    assert not put_edges(truth.degrees, 3, edges, graph.node_type, never_written, truth.weights.copy())


def test_edges_of_another_relation_than_counted_are_refused() -> None:
    graph = random_graph(40, 200, 2, relations=2)
    truth, chosen = graph.adjacency(), graph.relation == 0
    assert chosen.any()
    assert not chosen.all()
    turned = [
        EdgeArrays(graph.src[of], graph.dst[of], graph.weight[of], code) for code, of in enumerate((~chosen, chosen))
    ]
    assert not put_edges(truth.degrees, 3, turned, graph.node_type, truth.items.copy(), truth.weights.copy())


def pieces(graph: Graph) -> Iterator[EdgeArrays]:
    for at in range(0, len(graph.src), 70):
        yield EdgeArrays(graph.src[at : at + 70], graph.dst[at : at + 70], graph.weight[at : at + 70])


def written(folder: Path, graph: Graph, edges: Iterator[EdgeArrays]) -> SnapshotAdjacency:
    return write_snapshot(
        folder, edges, degrees=graph.adjacency().degrees, node_type=graph.node_type, node_types=graph.node_types,
        relations=graph.relations, version="v1",
    )  # fmt: skip


def test_files_hold_what_memory_holds(tmp_path: Path) -> None:
    graph = random_graph(100, 900, 1)
    truth = graph.adjacency()
    found = written(tmp_path / "graph", graph, pieces(graph))
    assert len(list((tmp_path / "graph").iterdir())) == 6
    moved = pickle.loads(pickle.dumps(found))  # noqa: S301 as multiprocessing does
    for each in (found, moved):
        assert (each.version, each.node_types) == ("v1", graph.node_types)
        assert isinstance(each.items, np.memmap)
        for name in ("indptr", "items", "weights", "degrees", "node_type"):
            np.testing.assert_array_equal(getattr(each, name), getattr(truth, name))


def test_a_stream_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    graph = random_graph(100, 900, 1)
    written(tmp_path / "graph", graph, pieces(graph))

    def broken() -> Iterator[EdgeArrays]:
        yield next(pieces(graph))
        raise GraphError("gone")

    with pytest.raises(GraphError, match="gone"):
        written(tmp_path / "graph", graph, broken())
    assert [each.name for each in tmp_path.iterdir()] == ["graph"]
    assert len(SnapshotAdjacency.open(tmp_path / "graph").items) == 2 * len(graph.src)


def test_edges_other_than_those_counted_leave_what_was_there(tmp_path: Path) -> None:
    graph = random_graph(100, 900, 1)
    written(tmp_path / "graph", graph, pieces(graph))
    with pytest.raises(GraphError, match="changed"):
        written(tmp_path / "graph", graph, iter(list(pieces(graph))[1:]))
    assert len(SnapshotAdjacency.open(tmp_path / "graph").items) == 2 * len(graph.src)


def test_a_folder_that_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no snapshot"):
        SnapshotAdjacency.open(tmp_path)
