"""Reasons from relations of the graph other than co-listening: which of them is told, with what evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl
import pytest

from colisten.graph_store.edge_properties import SCHEMA
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.inspection.links import Link
from colisten.graph_store.loading import load_graph
from colisten.listening.data import ListeningData
from colisten.serving.profiles import Item
from colisten.serving.recommending import Recommender
from colisten.serving.why.explaining import Explainer
from colisten.serving.why.path_finder import PathFinder
from colisten.serving.why.reasons import Reason, by_link
from colisten.settings import GraphSettings, Settings
from colisten.workdir import Workdir
from tests.conftest import wipe
from tests.graph_store.worlds import add_edges
from tests.serving.worlds import QUIET

World = tuple[Workdir, ListeningData, Settings]
HEARD, NEXT, LATER, CREATOR, SEQUEL, ALIKE, EVERYTHING = 10, 11, 12, 13, 14, 15, 16
EDGES = [
    (HEARD, NEXT, "same_series", 1.0, 1.0), (HEARD, LATER, "same_series", 0.5, 2.0),
    (HEARD, CREATOR, "same_creator", 1.0, None), (SEQUEL, HEARD, "sequel_of", 1.0, None),
    (HEARD, ALIKE, "similar_text", 0.75, None),
    (EVERYTHING, HEARD, "same_series", 1.0, 1.0), (HEARD, EVERYTHING, "same_creator", 0.5, None),
    (HEARD, EVERYTHING, "similar_text", 0.5, None), (SEQUEL, ALIKE, "same_series", 1.0, 1.0),
]  # fmt: skip


Explained = Callable[[list[int]], list[Reason]]


@pytest.fixture(scope="module")
def explained(
    world: World, neo4j_endpoint: Endpoint, neo4j_settings: Settings, graph_workdir: Workdir,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Explained]:  # fmt: skip
    """Reasons in the served world, whose graph has no listeners in common of these items, but relations."""
    workdir, data, settings = world
    edges = tmp_path_factory.mktemp("edges")
    build_edges(data, GraphSettings(min_listeners=10_000), edges, QUIET)
    kinds = data.items["item_type"]
    rows = [(a, b, kinds[a], relation, kinds[b], None, weight, None, step) for a, b, relation, weight, step in EDGES]
    add_edges(edges / FILE, pl.DataFrame(rows, SCHEMA, orient="row"))
    with connect(neo4j_endpoint) as driver, Recommender.open(workdir, settings) as recommender:
        wipe(driver)
        load_graph(data, edges / FILE, neo4j_settings, graph_workdir, QUIET)
        explainer = Explainer(recommender.profiles, recommender.collection)
        history = recommender.anonymous_user([f"Title {HEARD}"], {})
        path_finder = PathFinder(driver, neo4j_settings.neo4j.database, None)

        def explain(items: list[int]) -> list[Reason]:
            evidence = path_finder.evidence(explainer.heard(history), items)
            assert evidence.unavailable is None
            return explainer.explain(history, items, evidence)

        yield explain


def test_each_relation_explains_by_its_own_words(explained: Explained, world: World) -> None:
    items = [NEXT, LATER, CREATOR, SEQUEL, ALIKE, EVERYTHING]
    kind = world[1].items["item_type"][NEXT]
    assert [(reason.kind, reason.words) for reason in explained(items)] == [
        ("series", f"the next {kind} of its series, after ‘Title 10’, which you heard"),
        ("series", "2 places after ‘Title 10’, which you heard, in its series"),
        ("creator", "by A. Writer, of whom you heard ‘Title 10’"),
        ("relation", "sequel of ‘Title 10’, which you heard"),
        ("text", "closest in text to ‘Title 10’ (cosine 0.75)"),
        ("series", "of its series, of which you heard ‘Title 10’"),
    ]
    for reason in explained(items):
        assert reason.about is not None
        assert reason.about["title"] == "Title 10"
        assert reason.as_json()["about"]["item_id"] == 'it\'em "10"'


def test_an_item_without_a_relation_is_explained_as_before(explained: Explained) -> None:
    (reason,) = explained([20])
    assert reason.kind in {"text", "popular", "model"}


@pytest.mark.parametrize(("link", "words"), [
    (Link("same_series", 1, 1.0, True, 1.0, "Empire", ()),
     "the next book of the series ‘Empire’, after ‘Z’, which you heard"),
    (Link("same_series", 1, 1.0, True, 1.5, "Empire", ()),
     "1.5 places after ‘Z’, which you heard, in the series ‘Empire’"),
    (Link("same_series", 1, 1.0, True, None, "Empire", ()), "of the series ‘Empire’, of which you heard ‘Z’"),
    (Link("same_creator", 1, 1.0, True, None, None, ("Y", "X")), "by Y and X, of whom you heard ‘Z’"),
    (Link("same_creator", 1, 1.0, True, None, None, ()), "by a creator of whom you heard ‘Z’"),
    (Link("adapted_from", 1, 1.0, False, None, None, ()), "adapted from ‘Z’, which you heard"),
    (Link("adapted_from", 1, 1.0, True, None, None, ()), "‘Z’, which you heard, is adapted from it"),
])  # fmt: skip
def test_the_sentences(link: Link, words: str) -> None:
    item, heard = Item(0, "a", "book", "T", False), Item(1, "z", "film", "Z", False)
    assert by_link(item, heard, link).words == words
