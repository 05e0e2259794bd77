"""Figures, items, titles and Cypher, on a small graph in a real Neo4j whose answers were worked out by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import polars as pl
import pytest
from neo4j import Driver

from colisten import settings
from colisten.errors import GraphError
from colisten.graph_store.edges import FILE, build_edges
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.inspection.cypher import run_cypher
from colisten.graph_store.inspection.show import find_titles, show_item
from colisten.graph_store.inspection.stats import read_stats
from colisten.graph_store.loading import load_graph, load_item_weights
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.conftest import wipe
from tests.graph_store.worlds import listening

QUIET = Progress(quiet=True)
DOC = Path(__file__).parents[3] / "docs/cypher.md"
TYPES = ["podcast"] * 4 + ["audiobook"] * 6
HEARD = [{0, 4, 6}, {0, 4}, {0, 6, 1}, {1, 5, 6}, {1, 5}, {7, 8}, {7, 8}, {0, 3}]
TITLES = ["Cold Cases", "History Today", "The Silent Pod", "Night Sounds", "The Trial", "Rome: a History", "Bridges",
          "Island of One", "Island of Two", "Unheard"]  # fmt: skip


@pytest.fixture(scope="module")
def graph(
    tmp_path_factory: pytest.TempPathFactory, neo4j_endpoint: Endpoint, neo4j_settings: Settings, graph_workdir: Workdir
) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("inspection")
    listens = [(user, item, 0, None) for user, items in enumerate(HEARD) for item in sorted(items)]
    data = listening(folder / "data", TYPES, listens, title=TITLES)
    build_edges(data, settings.GraphSettings(), folder / "edges", QUIET)
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        load_graph(data, folder / "edges" / FILE, neo4j_settings, graph_workdir, QUIET)
        learned = {"src": [4, 9, 0], "dst": [0, 0, 9], "weight": [0.5, 0.125, 0.25]}
        schema = {"src": pl.Int32, "dst": pl.Int32, "weight": pl.Float32}
        pl.DataFrame(learned, schema).write_parquet(folder / "weights.parquet")
        load_item_weights(folder / "weights.parquet", neo4j_settings, graph_workdir, QUIET)
        yield driver


def weight(one: int, other: int) -> float:
    n = [sum(item in items for items in HEARD) for item in (one, other)]
    return float(np.float32(sum({one, other} <= items for items in HEARD) / np.sqrt(n[0] * n[1])))


ANSWERS: list[list[list[Any]]] = [
    [["audiobook-4", "The Trial", 2, weight(0, 4)], ["audiobook-6", "Bridges", 2, weight(0, 6)],
     ["podcast-3", "Night Sounds", 1, 0.5], ["podcast-1", "History Today", 1, weight(0, 1)]],
    [["audiobook-6", "Bridges", weight(0, 6), weight(1, 6)]],
    [["audiobook-6", 3, 4], ["podcast-0", 4, 4], ["podcast-1", 3, 3]],
    [["audiobook-9", "Unheard", 0], ["podcast-2", "The Silent Pod", 0]],
    [["audiobook-7", ["audiobook-8"]], ["audiobook-8", ["audiobook-7"]]],
    [["podcast-1", "audiobook-5", 2, weight(1, 5)], ["podcast-0", "audiobook-4", 2, weight(0, 4)],
     ["podcast-1", "audiobook-6", 2, weight(1, 6)]],
    [["podcast-1", 2, 0.476], ["podcast-3", 1, 0.354], ["audiobook-5", 1, 0.167]],
    [["audiobook-4", 2, weight(0, 4)], ["podcast-3", 1, 0.5]],
    [[["audiobook-4", "podcast-0", "podcast-3"], [2, 1]]],
    [["podcast-1", 2, 0.742], ["podcast-0", 2, 0.642]],
    [["audiobook-4", "The Trial", 0.5], ["audiobook-9", "Unheard", 0.125]],
]  # fmt: skip


def questions() -> list[tuple[str, str, dict[str, Any]]]:
    """(title, query, parameters) of every question in the documentation."""
    pattern = r"^## (\d+\. .*?)$.*?```cypher\n(.*?)```\s*```json\n(.*?)```"
    found = re.findall(pattern, DOC.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [(title, query, json.loads(parameters)) for title, query, parameters in found]


def test_every_question_of_the_documentation_is_found() -> None:
    assert len(questions()) == DOC.read_text().count("```cypher") == len(ANSWERS) == 11


@pytest.mark.parametrize(
    ("question", "answer"), list(zip(questions(), ANSWERS, strict=True)), ids=[title for title, *_ in questions()]
)
def test_questions_of_the_documentation(
    graph: Driver, question: tuple[str, str, dict[str, Any]], answer: list[list[Any]]
) -> None:
    _, query, parameters = question
    assert run_cypher(graph, "neo4j", query, parameters).rows == answer


@pytest.mark.parametrize("query", [
    "CREATE (:Item {id: 'new'})", "MATCH (n:Item) SET n.title = ''", "MATCH (n) DETACH DELETE n",
    "DROP CONSTRAINT colisten_item", "MERGE (n:Item {id: 'x'})",
])  # fmt: skip
def test_a_write_is_refused_by_the_server(graph: Driver, query: str) -> None:
    before = run_cypher(graph, "neo4j", "MATCH (n) RETURN count(n), collect(n.title)").rows
    with pytest.raises(GraphError, match="would write"):
        run_cypher(graph, "neo4j", query)
    assert run_cypher(graph, "neo4j", "MATCH (n) RETURN count(n), collect(n.title)").rows == before


def test_a_query_with_an_error_is_told_in_one_line(graph: Driver) -> None:
    with pytest.raises(GraphError, match="does not accept") as told:
        run_cypher(graph, "neo4j", "MATCH (n) RETRUN n")
    assert "\n" not in str(told.value)
    with pytest.raises(GraphError, match="id"):
        run_cypher(graph, "neo4j", "MATCH (n {id: $id}) RETURN n")


def test_any_value_becomes_plain(graph: Driver) -> None:
    query = """
        MATCH path = (n:Podcast {id: 'podcast-0'})-[r:!PREDICTS]-(:Audiobook {id: 'audiobook-4'})
        RETURN r, path, date('2024-02-29') AS day, datetime('2024-02-29T12:00:00Z') AS moment, duration('P1D') AS while,
               point({x: 1, y: 2}) AS place, {a: [1, null]} AS map, 0.0 / 0.0 AS nothing, n.title AS title
    """
    answer = run_cypher(graph, "neo4j", query)
    row = dict(zip(answer.columns, json.loads(json.dumps(answer.rows[0], allow_nan=False)), strict=True))
    assert row["r"] == {
        "type": "CO_LISTENED_AUDIOBOOK_PODCAST", "properties": {"listeners": 2, "weight": weight(0, 4)},
    }  # fmt: skip
    assert [node["properties"]["id"] for node in row["path"]["nodes"]] == ["podcast-0", "audiobook-4"]
    assert row["path"]["nodes"][0]["labels"] == ["Item", "Podcast"]
    assert (row["day"], row["moment"][:19], row["while"]) == ("2024-02-29", "2024-02-29T12:00:00", "P1D")
    assert (row["place"]["coordinates"], row["map"], row["nothing"]) == ([1.0, 2.0], {"a": [1, None]}, None)


def test_an_item_is_shown_with_its_strongest_neighbours_of_each_type(graph: Driver) -> None:
    view = show_item(graph, "neo4j", "podcast-0", k=1)
    assert view is not None
    assert (view.item_type, view.properties["title"], view.properties["listeners"]) == ("podcast", "Cold Cases", 4)
    assert view.degrees == {"audiobook": 2, "podcast": 2}
    strongest = {
        kind: [(n.id, n.title, n.listeners, n.weight) for n in found] for kind, found in view.neighbours.items()
    }
    assert strongest == {
        "audiobook": [("audiobook-4", "The Trial", 2, weight(0, 4))],
        "podcast": [("podcast-3", "Night Sounds", 1, 0.5)],
    }
    alone = show_item(graph, "neo4j", "podcast-2")
    assert alone is not None
    assert alone.neighbours == {}
    assert show_item(graph, "neo4j", "'; MATCH (n) DETACH DELETE n //") is None


@pytest.mark.parametrize(("words", "first"), [
    ("rome", "audiobook-5"), ("cold caes", "podcast-0"), ("Bridges!?", "audiobook-6"), ("ISLAND two", "audiobook-8"),
])  # fmt: skip
def test_titles_are_found_despite_slips(graph: Driver, words: str, first: str) -> None:
    found = find_titles(graph, "neo4j", words)
    assert (found[0].id, found[0].item_type) == (first, first.partition("-")[0])


@pytest.mark.parametrize("words", ["", '"', "AND OR", "title:*", "a OR (b", "\\", "zzzzzzzz"])
def test_no_words_break_the_search(graph: Driver, words: str) -> None:
    assert isinstance(find_titles(graph, "neo4j", words), list)


def test_stats_equal_those_of_networkx(graph: Driver) -> None:
    stats = read_stats(graph, "neo4j", connections=2, hubs=2)
    wanted = nx.Graph([(a, b) for items in HEARD for a in items for b in items if a < b])
    wanted.add_nodes_from(range(10))
    assert stats.catalogue == {"audiobook": 6, "podcast": 4}
    assert stats.isolated == {"audiobook": 1, "podcast": 1}
    assert sum(stats.marker.edges.values()) == wanted.number_of_edges()
    for (own, _, other), percentiles in stats.degrees.items():
        degrees = [sum(TYPES[m] == other for m in wanted[n]) for n in range(10) if TYPES[n] == own]
        places = {p: int(np.percentile(degrees, p, method="inverted_cdf")) for p in percentiles}
        assert percentiles == places, (own, other)
    assert [(hub.id, hub.degree) for hub in stats.hubs] == [("podcast-0", 4), ("audiobook-6", 4)]
    assert stats.warnings == ["20% of the items have no edge: they are recommended by their texts only."]


def test_without_a_whole_graph_one_is_told_to_build_it(neo4j_driver: Driver) -> None:
    for look in (lambda: read_stats(neo4j_driver, "neo4j"), lambda: show_item(neo4j_driver, "neo4j", "x")):
        with pytest.raises(GraphError, match="colisten graph build"):
            look()
