"""Paths in a real Neo4j against all chains that plain Python can think of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from math import prod

import numpy as np
import polars as pl
import pytest
from neo4j import Driver

from colisten import settings
from colisten.errors import GraphError
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.inspection.paths import strongest_paths
from colisten.graph_store.loading import load_graph
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.conftest import wipe
from tests.graph_store.worlds import listening

QUIET = Progress(quiet=True)
ITEMS = 40
Edges = dict[tuple[int, int], tuple[int, float]]


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, neo4j_endpoint: Endpoint, neo4j_settings: Settings, graph_workdir: Workdir
) -> Iterator[tuple[Driver, Edges]]:
    """Two types, 60 listeners of some of 36 items; nobody hears the last four."""
    folder = tmp_path_factory.mktemp("paths")
    rng = np.random.default_rng(5)
    listens = [(user, int(item), 0, None) for user in range(60) for item in np.unique(rng.integers(0, ITEMS - 4, 4))]
    data = listening(folder / "data", ["podcast", "audiobook"] * (ITEMS // 2), listens)
    build_edges(data, settings.GraphSettings(top_k=3), folder / "edges", QUIET)
    edges: Edges = {}
    for row in pl.read_parquet(folder / "edges" / FILE).iter_rows(named=True):
        for pair in ((row["src"], row["dst"]), (row["dst"], row["src"])):
            edges[pair] = (row["listeners"], row["weight"])
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        load_graph(data, folder / "edges" / FILE, neo4j_settings, graph_workdir, QUIET)
        yield driver, edges


def by_hand(edges: Edges, heard: set[int], wanted: int) -> list[tuple[float, tuple[int, ...]]]:
    chains: list[tuple[int, ...]] = [(source, wanted) for source in heard]
    chains += [(s, m, wanted) for s, m in product(heard, range(ITEMS)) if s != wanted and m not in heard | {wanted}]
    found = []
    for chain in chains:
        links = list(pairwise(chain))
        if all(link in edges for link in links):
            strength = prod(edges[link][1] for link in links)
            found.append((strength, chain))
    return sorted(found, key=lambda entry: (-entry[0], len(entry[1]), entry[1]))


@pytest.mark.parametrize("heard", [{0}, {3, 4, 5}, set(range(10)), {39}, set()])
def test_the_strongest_chains_are_found_for_all_items_at_once(world: tuple[Driver, Edges], heard: set[int]) -> None:
    driver, edges = world
    found = strongest_paths(driver, "neo4j", sorted(heard), range(ITEMS), paths=4)
    assert set(found) == set(range(ITEMS))
    for wanted, paths in found.items():
        best = by_hand(edges, heard, wanted)[:4]
        assert [path.items for path in paths] == [chain for _, chain in best], wanted
        assert [path.strength for path in paths] == pytest.approx([strength for strength, _ in best])
        for path in paths:
            links = list(pairwise(path.items))
            assert path.listeners == tuple(edges[link][0] for link in links)
            assert path.weights == pytest.approx([edges[link][1] for link in links])


def test_a_graph_that_is_not_there_is_no_lack_of_paths(neo4j_driver: Driver) -> None:
    with pytest.raises(GraphError, match="graph build"):
        strongest_paths(neo4j_driver, "neo4j", [1], [2])
