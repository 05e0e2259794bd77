"""Figures, items, titles and Cypher, on a small graph in a real Neo4j whose answers were worked out by hand."""

from __future__ import annotations

import json
import re
from collections import Counter
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
from colisten.graph_store import schema
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.inspection.cypher import run_cypher
from colisten.graph_store.inspection.links import direct_links
from colisten.graph_store.inspection.paths import strongest_paths
from colisten.graph_store.inspection.show import find_titles, show_item
from colisten.graph_store.inspection.stats import read_stats
from colisten.graph_store.loading import load_graph, load_item_weights
from colisten.graph_store.marker import require_marker
from colisten.graph_store.relations.edges import relation_edges
from colisten.graph_store.verifying import has_counts, stored_fingerprints
from colisten.progress import Progress
from colisten.settings import RelationSettings, Settings
from colisten.workdir import Workdir
from tests.conftest import wipe
from tests.graph_store.worlds import add_edges, listening

QUIET = Progress(quiet=True)
DOC = Path(__file__).parents[3] / "docs/cypher.md"
TYPES = ["podcast"] * 4 + ["audiobook"] * 6
HEARD = [{0, 4, 6}, {0, 4}, {0, 6, 1}, {1, 5, 6}, {1, 5}, {7, 8}, {7, 8}, {0, 3}]
TITLES = ["Cold Cases", "History Today", "The Silent Pod", "Night Sounds", "The Trial", "Rome: a History", "Bridges",
          "Island of One", "Island of Two", "Unheard"]  # fmt: skip
CREATORS = [["Ann"], ["Ann"], [], [], ["Bob"], ["Bob"], ["Cy"], ["Bob"], ["Bob"], ["Dee"]]
POSITIONS = {4: 1.0, 5: 2.0, 6: 5.0, 9: 6.0}
"""Of the series "Empire", of which two places are missing."""
TEXT = np.zeros((10, 4), np.float32)
TEXT[[7, 3, 9, 0]] = np.array([[1, 0, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 1, 0], [0, 0, 0.6, 0.8]])
RELATED = (
    RelationSettings(name="same_series", cap=2), RelationSettings(name="same_creator", cap=9),
    RelationSettings(name="similar_text", cap=9), RelationSettings(name="sequel_of", cap=9, directed=True),
)  # fmt: skip
EDGES = {
    "co_listened": [(0, 1), (0, 3), (0, 4), (0, 6), (1, 5), (1, 6), (4, 6), (5, 6), (7, 8)],
    "same_series": [(4, 5), (4, 6), (5, 6), (5, 9), (6, 9)],
    "same_creator": [(0, 1), (4, 5), (4, 7), (4, 8), (5, 7), (5, 8), (7, 8)],
    "similar_text": [(3, 7), (0, 9)],
    "sequel_of": [(6, 4)],
}
"""All edges, as they follow from the above."""


@pytest.fixture(scope="module")
def graph(
    tmp_path_factory: pytest.TempPathFactory, neo4j_endpoint: Endpoint, neo4j_settings: Settings, graph_workdir: Workdir
) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("inspection")
    listens = [(user, item, 0, None) for user, items in enumerate(HEARD) for item in sorted(items)]
    data = listening(
        folder / "data", TYPES, listens, title=TITLES, creators=CREATORS, relations=[(6, 4, "sequel_of", 1.0)],
        series=["Empire" if item in POSITIONS else None for item in range(10)],
        series_position=[POSITIONS.get(item) for item in range(10)],
    )  # fmt: skip
    build_edges(data, settings.GraphSettings(shrinkage=0), folder / "edges", QUIET)
    add_edges(folder / "edges" / FILE, relation_edges(data, TEXT, RELATED, QUIET))
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
    [["Empire", "Rome: a History", 2.0, "Bridges", 5.0]],
    [["Ann", "Bob", 2, 4, round((weight(0, 4) + weight(1, 5)) / 2, 3)],
     ["Ann", "Cy", 2, 4, round((weight(0, 6) + weight(1, 6)) / 2, 3)],
     ["Bob", "Cy", 2, 2, round((weight(4, 6) + weight(5, 6)) / 2, 3)]],
    [["Island of One", "Night Sounds", 0.8, 2, 1]],
    [["The Silent Pod", None, []],
     ["Unheard", None, [
         ["SAME_SERIES_AUDIOBOOK_AUDIOBOOK", "Bridges"], ["SIMILAR_TEXT_AUDIOBOOK_PODCAST", "Cold Cases"],
         ["SAME_SERIES_AUDIOBOOK_AUDIOBOOK", "Rome: a History"],
     ]]],
]  # fmt: skip


def questions() -> list[tuple[str, str, dict[str, Any]]]:
    """(title, query, parameters) of every question in the documentation."""
    pattern = r"^## (\d+\. .*?)$.*?```cypher\n(.*?)```\s*```json\n(.*?)```"
    found = re.findall(pattern, DOC.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [(title, query, json.loads(parameters)) for title, query, parameters in found]


def test_every_question_of_the_documentation_is_found() -> None:
    assert len(questions()) == DOC.read_text().count("```cypher") == len(ANSWERS) == 15


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
        MATCH path = (n:Podcast {id: 'podcast-0'})-[r:CO_LISTENED_AUDIOBOOK_PODCAST]-(:Audiobook {id: 'audiobook-4'})
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
    assert [(group.relation, group.item_type, group.degree) for group in view.groups] == [
        ("co_listened", "audiobook", 2), ("co_listened", "podcast", 2), ("same_creator", "podcast", 1),
        ("similar_text", "audiobook", 1),
    ]  # fmt: skip
    strongest = [[(n.id, n.title, n.listeners, n.weight) for n in group.neighbours] for group in view.groups]
    assert strongest == [
        [("audiobook-4", "The Trial", 2, weight(0, 4))], [("podcast-3", "Night Sounds", 1, 0.5)],
        [("podcast-1", "History Today", None, 1.0)], [("audiobook-9", "Unheard", None, pytest.approx(0.6))],
    ]  # fmt: skip
    alone = show_item(graph, "neo4j", "podcast-2")
    assert alone is not None
    assert alone.groups == ()
    assert show_item(graph, "neo4j", "'; MATCH (n) DETACH DELETE n //") is None


def test_an_item_that_nobody_heard_is_shown_in_its_series_and_directions_are_kept(graph: Driver) -> None:
    unheard = show_item(graph, "neo4j", "audiobook-9")
    assert unheard is not None
    assert (unheard.properties["series"], unheard.properties["series_position"]) == ("Empire", 6.0)
    series = [(n.id, n.step, n.weight) for n in unheard.groups[0].neighbours]
    assert series == [("audiobook-6", -1.0, 1.0), ("audiobook-5", -4.0, 0.25)]
    for item, other, outgoing in (("audiobook-6", "audiobook-4", True), ("audiobook-4", "audiobook-6", False)):
        view = show_item(graph, "neo4j", item)
        assert view is not None
        sequels = [n for group in view.groups if group.relation == "sequel_of" for n in group.neighbours]
        assert [(n.id, n.outgoing, n.step) for n in sequels] == [(other, outgoing, None)]


@pytest.mark.parametrize(("heard", "item", "links"), [
    ([5], 9, [("same_series", 5, 4.0)]),
    ([4, 5, 6], 9, [("same_series", 6, 1.0)]),
    ([9], 6, [("same_series", 9, -1.0)]),
    ([4], 6, [("same_series", 4, 4.0), ("sequel_of", 4, None)]),
    ([8, 6, 5], 4, [("same_series", 5, -1.0), ("same_creator", 8, None), ("sequel_of", 6, None)]),
    ([3, 0], 7, [("similar_text", 3, None)]),
    ([2, 3], 0, []),
    ([], 9, []),
])  # fmt: skip
def test_the_strongest_link_of_each_relation_is_found(
    graph: Driver, heard: list[int], item: int, links: list[tuple[str, int, float | None]]
) -> None:
    found = direct_links(graph, "neo4j", heard, [item, 2])
    assert [(link.relation, link.heard, link.step) for link in found[item]] == links
    assert found[2] == ()
    for link in found[item]:
        assert link.series == ("Empire" if item in POSITIONS else None)
        assert link.creators == (("Bob",) if CREATORS[link.heard] == CREATORS[item] == ["Bob"] else ())
        assert link.is_next == (link.step is not None and link.step > 0)
        if link.relation == "sequel_of":
            assert link.outgoing == ((link.heard, item) == (6, 4))


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
    heard = {(a, b) for items in HEARD for a in items for b in items if a < b}
    assert sorted(heard) == EDGES["co_listened"]
    wanted = {relation: nx.Graph(edges) for relation, edges in EDGES.items()}
    assert stats.catalogue == {"audiobook": 6, "podcast": 4}
    assert stats.isolated == {"audiobook": 0, "podcast": 1}
    assert sum(stats.marker.edges.values()) == sum(map(len, EDGES.values()))
    assert {relation for _, relation, _ in stats.degrees} == set(EDGES)
    for (own, relation, other), percentiles in stats.degrees.items():
        near = wanted[relation]
        degrees = [sum(TYPES[m] == other for m in near.adj.get(n, ())) for n in range(10) if TYPES[n] == own]
        places = {p: int(np.percentile(degrees, p, method="inverted_cdf")) for p in percentiles}
        assert percentiles == places, (own, relation, other)
    ends = Counter(item for edges in EDGES.values() for edge in edges for item in edge)
    assert {hub.degree for hub in stats.hubs} == {degree for _, degree in ends.most_common(2)}
    assert stats.warnings == []


def test_many_relationship_types_give_the_same_answers(graph: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands stand in conditions, since as alternatives of a pattern they overflow the server's stack."""
    names, wanted = ["co_listened", "same_series", "same_creator", "similar_text", "sequel_of"], list(range(10))

    def answers() -> list[object]:
        marker = require_marker(graph, "neo4j")
        return [
            has_counts(graph, "neo4j", marker),
            stored_fingerprints(graph, "neo4j", names, connections=2, progress=QUIET),
            read_stats(graph, "neo4j"),
            [show_item(graph, "neo4j", f"podcast-{item}") for item in range(4)],
            strongest_paths(graph, "neo4j", [0, 1], wanted),
            direct_links(graph, "neo4j", [4, 6], wanted),
        ]

    few = answers()
    assert few[0]
    monkeypatch.setattr(schema, "_MOST_ALTERNATIVES", 1)
    assert answers() == few


def test_without_a_whole_graph_one_is_told_to_build_it(neo4j_driver: Driver) -> None:
    for look in (lambda: read_stats(neo4j_driver, "neo4j"), lambda: show_item(neo4j_driver, "neo4j", "x")):
        with pytest.raises(GraphError, match="colisten graph build"):
            look()
