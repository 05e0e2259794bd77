"""Whatever a database holds, and whatever happens to it meanwhile, ends in an error that says so: compiled code uses
what was read as places in arrays and checks nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from neo4j import Driver

from colisten.errors import GraphError
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.endpoint import Endpoint
from colisten.graph_store.schema import relationship_of
from colisten.graph_store.stream.csr import EdgeArrays
from colisten.graph_store.stream.export import export_snapshot
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency, write_snapshot
from colisten.progress import Progress
from tests.graph_store.stream.graphs import TYPES, load, random_graph

ROOT = Path(__file__).parents[3]
GRAPH = random_graph(60, 500, 4)
A, B = int(GRAPH.src[0]), int(GRAPH.dst[0])
JOINED = relationship_of(EdgeType(TYPES[0], CO_LISTENED, TYPES[0]))
ONE_EDGE = f"MATCH (:Item {{item: {A}}})-[r]-(:Item {{item: {B}}}) "

CHANGES = {
    "an item leads to a node that came later": f"MATCH (a:Item {{item: 0}}) CREATE (a)-[:{JOINED} {{weight: 1.0}}]->()",
    "an edge is gone": ONE_EDGE + "DELETE r",
    "an edge has moved to a node that is no item": f"{ONE_EDGE} WITH r, startNode(r) AS a, type(r) AS kind DELETE r "
    f"CREATE (a)-[:$(kind) {{weight: 1.0}}]->()",
    "an edge has lost its weight": ONE_EDGE + "REMOVE r.weight",
    "a weight is text": ONE_EDGE + "SET r.weight = 'heavy'",
    "a weight is no number": ONE_EDGE + "SET r.weight = 0.0 / 0.0",
    "a weight is beyond float32": ONE_EDGE + "SET r.weight = 1e300",
    "an item is gone": f"MATCH (n:Item {{item: {A}}}) DETACH DELETE n",
    "an item is gone and its number is another's": (
        f"MATCH (n:Item {{item: {A}}}) DETACH DELETE n WITH count(*) AS gone UNWIND range(1, 99) AS i CREATE (:Other)"
    ),
    "an item listens to itself": f"MATCH (a:Item {{item: {A}}}) CREATE (a)-[:{JOINED} {{weight: 1.0}}]->(a)",
    "all edges are gone": "MATCH ()-[r]->() DELETE r",
}


@pytest.mark.parametrize("all_at_once", [True, False])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_under_way_is_told(
    neo4j_driver: Driver, neo4j_endpoint: Endpoint, change: str, all_at_once: bool
) -> None:
    load(neo4j_driver, GRAPH)
    with LiveAdjacency.open(neo4j_endpoint) as live:
        live._fits = all_at_once
        neo4j_driver.execute_query(change)
        with pytest.raises(GraphError, match="no longer version 'v1' that this run began with"):
            NeighbourSampler(live, (5, 5)).sample(np.arange(60), np.random.default_rng(0))


BROKEN = {
    "an edge leads to no item": (f"MATCH (a:Item {{item: 0}}) CREATE (a)-[:{JOINED} {{weight: 1.0}}]->()", "no item"),
    "an edge leads to an item without number": (
        f"MATCH (a:Item {{item: 0}}) CREATE (a)-[:{JOINED} {{weight: 1.0}}]->(:Item:Audiobook)",
        "without gaps",
    ),
    "an edge comes from a node older than all items": (
        f"MATCH (a:Item {{item: 0}}), (old:Old) CREATE (old)-[:{JOINED} {{weight: 1.0}}]->(a)",
        "no item",
    ),
    "an edge has no weight": (ONE_EDGE + "REMOVE r.weight", "no finite number as its weight"),
    "an item has no type": ("MATCH (n:Item {item: 7}) REMOVE n:Audiobook:Podcast:Video", "no label beside Item"),
    "a number is missing": ("MATCH (n:Item {item: 7}) SET n.item = 999", "without gaps"),
}


@pytest.mark.parametrize(("how", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_graph_that_is_not_as_it_should_be_is_refused(
    neo4j_driver: Driver, neo4j_endpoint: Endpoint, tmp_path: Path, how: str, told: str
) -> None:
    neo4j_driver.execute_query("CREATE (:Old)")
    load(neo4j_driver, GRAPH)
    neo4j_driver.execute_query(how)
    with pytest.raises(GraphError, match=told):
        export_snapshot(neo4j_endpoint, tmp_path / "graph", Progress(quiet=True))
    with pytest.raises(GraphError, match=f"{told}|more or fewer"), LiveAdjacency.open(neo4j_endpoint) as live:
        live.neighbours(np.arange(60))


def test_edges_beyond_the_items_are_refused() -> None:
    weight, types = np.ones(2, np.float32), np.zeros(3, np.uint8)
    for src, dst, node_types in (([0, 3], [1, 2], ("a",)), ([0, -1], [1, 2], ("a",)), ([0, 1], [1, 2], ())):
        with pytest.raises(ValueError, match="beyond"):
            SnapshotAdjacency.from_edges(
                np.array(src, np.int32), np.array(dst, np.int32), weight, node_type=types, node_types=node_types
            )
    one = np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="not the ends and weights"):
        SnapshotAdjacency.from_edges(one, one + 1, weight, node_type=types, node_types=("a",))


@pytest.mark.parametrize("name", ["indptr", "items", "degrees", "node_type"])
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, name: str) -> None:
    write_snapshot(
        tmp_path / "graph", [EdgeArrays(GRAPH.src, GRAPH.dst, GRAPH.weight)], degrees=GRAPH.adjacency().degrees,
        node_type=GRAPH.node_type, node_types=TYPES, relations=(CO_LISTENED,), version="v1",
    ).close()  # fmt: skip
    file = tmp_path / "graph" / f"{name}.npy"
    array = np.load(file)
    np.save(
        file, array[1:] if name == "items" else array + np.arange(array.size, dtype=array.dtype).reshape(array.shape)
    )
    with pytest.raises(GraphError, match="no snapshot"):
        SnapshotAdjacency.open(tmp_path / "graph")


@pytest.mark.slow
def test_no_compiled_loop_reaches_beyond_an_array(tmp_path: Path) -> None:
    """The tests of all draws and of the top-n product, again with bounds checked."""
    modules = [f"tests/graph_store/stream/test_{name}.py" for name in ("sampler", "hetero", "supervision", "snapshot")]
    modules.append("tests/graph_store/test_top_n_product.py")
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *modules]
    run = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3_000:]
