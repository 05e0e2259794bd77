"""Edges of every relation in Neo4j: read back as they were written, whatever was there before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neo4j import Driver

from colisten.errors import GraphError
from colisten.graph_store.edge_properties import SCHEMA
from colisten.graph_store.edge_summary import summarise
from colisten.graph_store.edge_type import EdgeType
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.inspection.stats import read_stats
from colisten.graph_store.loading import LoadSummary, load_graph
from colisten.graph_store.marker import claim, read_marker, remove_graph
from colisten.graph_store.stream.export import export_snapshot
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.graph_store.verifying import verify
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.relations import BUILT_IN, CO_LISTENED, SAME_SERIES
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.conftest import wipe
from tests.graph_store.stream.test_sampler import same
from tests.graph_store.worlds import listening

QUIET = Progress(quiet=True)
TYPES = ["podcast", "audiobook", "podcast", "audiobook", "drug_gm", "podcast", "audiobook", "podcast", "audiobook"]
RELATIONS = (*BUILT_IN, "sequel_of", "on_air_with")
"""The last two are the platform's, directed: their edges lie either way."""
PROPERTIES = ("listeners", "weight", "last", "step")
Edges = pl.DataFrame


def data_in(folder: Path) -> ListeningData:
    return listening(folder / "data", TYPES, [(0, item, 0, 1) for item in range(6)])


def table(rows: dict[tuple[int, int, str], tuple[Any, ...]]) -> Edges:
    """An edges file of (src, dst, relation) → listeners, weight, last, step."""
    whole = [
        (src, dst, TYPES[src], relation, TYPES[dst], *properties) for (src, dst, relation), properties in rows.items()
    ]
    return pl.DataFrame(whole, SCHEMA, orient="row")


def weights() -> st.SearchStrategy[float]:
    return st.floats(2**-20, 1, width=32)


@st.composite
def edge_tables(draw: st.DrawFn) -> Edges:
    rows: dict[tuple[int, int, str], tuple[Any, ...]] = {}
    ends = st.integers(0, len(TYPES) - 1)
    for src, dst, relation in draw(st.lists(st.tuples(ends, ends, st.sampled_from(RELATIONS)), max_size=40)):
        if relation in BUILT_IN and (TYPES[src], src) > (TYPES[dst], dst):
            src, dst = dst, src
        if src == dst:
            continue
        weight = draw(weights())
        match relation:
            case "co_listened":
                times = st.none() | st.integers(0, 4_102_444_800)
                rows[src, dst, relation] = (draw(st.integers(1, 2**31 - 1)), weight, draw(times), None)
            case "same_series":
                steps = st.none() | st.floats(-(2.0**40), 2.0**40, width=32)
                rows[src, dst, relation] = (None, weight, None, draw(steps))
            case _:
                rows[src, dst, relation] = (None, weight, None, None)
    return table(rows)


def stored(driver: Driver) -> set[tuple[Any, ...]]:
    """(src, dst, beginning of the type, listeners, weight, last, step) of every relationship between items."""
    query = "MATCH (a:Item)-[r]->(b:Item) RETURN a.item AS a, b.item AS b, type(r) AS t, properties(r) AS p"
    found = set()
    for row in driver.execute_query(query).records:
        assert set(row["p"]) <= {*PROPERTIES}
        values = row["p"] | ({"last": int(row["p"]["last"].to_native().timestamp())} if "last" in row["p"] else {})
        relation = next(name for name in RELATIONS if row["t"].startswith(name.upper()))
        found.add((row["a"], row["b"], relation, *(values.get(name) for name in PROPERTIES)))
    return found


def wanted(edges: Edges) -> set[tuple[Any, ...]]:
    return set(edges.select("src", "dst", "relation", *PROPERTIES).rows())


Load = Callable[..., LoadSummary]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> tuple[ListeningData, Path]:
    folder = tmp_path_factory.mktemp("relations")
    return data_in(folder), folder / "edges.parquet"


@pytest.fixture(scope="module")
def driver(neo4j_endpoint: Endpoint) -> Iterator[Driver]:
    with connect(neo4j_endpoint) as found:
        wipe(found)
        yield found


@pytest.fixture(scope="module")
def load(room: tuple[ListeningData, Path], neo4j_settings: Settings, graph_workdir: Workdir) -> Load:
    data, path = room

    def run(edges: Edges, **options: Any) -> LoadSummary:
        edges.write_parquet(path)
        return load_graph(data, path, neo4j_settings, graph_workdir, QUIET, **options)

    return run


@given(edges=edge_tables(), then=edge_tables())
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back_whatever_was_there(driver: Driver, load: Load, edges: Edges, then: Edges) -> None:
    """From one table to another by difference, and to the same one again, writing nothing."""
    for given_edges in (edges, then):
        before = stored(driver)
        loaded = load(given_edges)
        assert stored(driver) == wanted(given_edges)
        written = {(*edge[:3],) for edge in wanted(given_edges) - before}
        assert loaded.edges.upserted == len(written)
        assert sum(loaded.marker.edges.values()) == given_edges.height
    driver.execute_query("MATCH (g:CoListeningGraph) SET g.complete = false")
    again = load(then)
    assert (again.edges.upserted, again.edges.deleted) == (0, 0)


EXAMPLE = table(
    {
        (1, 3, CO_LISTENED): (3, 0.5, 1_700_000_000, None),
        (1, 0, CO_LISTENED): (1, 0.25, None, None),
        (1, 3, SAME_SERIES): (None, 1.0, None, 1.0),
        (1, 6, SAME_SERIES): (None, 0.5, None, None),
        (3, 8, "same_creator"): (None, 1.0, None, None),
        (0, 2, "similar_text"): (None, 0.625, None, None),
        (3, 1, "sequel_of"): (None, 1.0, None, None),
        (1, 3, "sequel_of"): (None, 0.75, None, None),
        (2, 1, "sequel_of"): (None, 1.0, None, None),
        (1, 2, "sequel_of"): (None, 0.5, None, None),
        (4, 0, "sequel_of"): (None, 0.5, None, None),
        (7, 5, "on_air_with"): (None, 0.5, None, None),
    }
)


def changed(column: str, src: int, relation: str, value: object) -> Edges:
    one = (pl.col("src") == src) & (pl.col("relation") == relation)
    return EXAMPLE.with_columns(pl.when(one).then(pl.lit(value, SCHEMA[column])).otherwise(column).alias(column))


@pytest.mark.parametrize("query", [
    "MATCH (:Item {item: 3})-[r:SEQUEL_OF_AUDIOBOOK_AUDIOBOOK]->() SET r.weight = .75",
    "MATCH ()-[r:SAME_SERIES_AUDIOBOOK_AUDIOBOOK {step: 1}]->() REMOVE r.step",
    "MATCH ()-[r:SAME_SERIES_AUDIOBOOK_AUDIOBOOK {step: 1}]->() SET r.step = -1.0",
    "MATCH ()-[r]->() WHERE r.last IS NOT NULL SET r.last = r.last + duration('PT1S')",
    "MATCH ()-[r]->() WHERE r.last IS NOT NULL REMOVE r.last",
    "MATCH ()-[r]->() WHERE r.listeners = 1 SET r.listeners = 2",
    "MATCH (:Item {item: 7})-[r]->() REMOVE r.weight",
    "MATCH (a)-[r:SEQUEL_OF_DRUG_GM__PODCAST]->(b) DELETE r CREATE (b)-[:SEQUEL_OF_DRUG_GM__PODCAST {weight: .5}]->(a)",
    "MATCH ()-[r:ON_AIR_WITH_PODCAST_PODCAST]->() DELETE r",
    "MATCH (a {item: 0}), (b {item: 5}) CREATE (a)-[:SAME_CREATOR_PODCAST_PODCAST {weight: 1}]->(b)",
])  # fmt: skip
def test_the_hash_knows_every_property_and_direction(
    driver: Driver, load: Load, room: tuple[ListeningData, Path], query: str
) -> None:
    loaded = load(EXAMPLE)
    summary = summarise(EXAMPLE.lazy(), room[0])
    verify(driver, "neo4j", loaded.marker, summary, RELATIONS, connections=1, progress=QUIET)
    driver.execute_query(query)
    with pytest.raises(GraphError, match="other edges"):
        verify(driver, "neo4j", loaded.marker, summary, RELATIONS, connections=1, progress=QUIET)
    driver.execute_query("MATCH (g:CoListeningGraph) SET g.complete = false")
    load(EXAMPLE)
    assert stored(driver) == wanted(EXAMPLE)


def sequel(src: str, dst: str) -> EdgeType:
    return EdgeType(src, "sequel_of", dst)


def test_both_directions_are_counted_together(
    driver: Driver, load: Load, room: tuple[ListeningData, Path], neo4j_endpoint: Endpoint
) -> None:
    marker = load(EXAMPLE).marker
    assert marker.relations == (CO_LISTENED, "on_air_with", "same_creator", "same_series", "sequel_of", "similar_text")
    assert marker.edges[sequel("podcast", "audiobook")] == marker.edges[sequel("audiobook", "podcast")] == 1
    summary = summarise(EXAMPLE.lazy(), room[0])
    assert summary.degree[sequel("podcast", "audiobook")] == pytest.approx(2 / 4)
    assert summary.degree[sequel("audiobook", "podcast")] == pytest.approx(2 / 4)
    assert summary.degree[sequel("audiobook", "audiobook")] == pytest.approx(4 / 4)
    assert summary.degree[sequel("podcast", "drug_gm")] == pytest.approx(1 / 4)
    stats = read_stats(driver, "neo4j", connections=1)
    assert stats.degrees[sequel("audiobook", "podcast")][100] == 2
    assert stats.isolated == summary.isolated == {"audiobook": 0, "drug_gm": 0, "podcast": 0}
    with LiveAdjacency.open(neo4j_endpoint) as live:
        assert live.relations == marker.relations


def test_a_relation_that_is_gone_leaves_nothing(driver: Driver, load: Load) -> None:
    load(EXAMPLE)
    less = EXAMPLE.filter(~pl.col("relation").is_in(["sequel_of", SAME_SERIES]))
    assert load(less).edges.deleted == EXAMPLE.height - less.height
    assert stored(driver) == wanted(less)


def test_a_relation_of_a_killed_load_is_cleaned_up_later(driver: Driver, load: Load) -> None:
    """It was declared, some of its edges were written, the load was killed, and nobody speaks of it any more."""
    less = EXAMPLE.filter(pl.col("relation") == CO_LISTENED)
    load(less)
    claim(driver, "neo4j", ["sequel_of"])
    driver.execute_query(
        "MATCH (a:Item {item: 0}), (b:Item {item: 5}) CREATE (a)-[:SEQUEL_OF_PODCAST_PODCAST {weight: 1.0}]->(b)"
    )
    assert read_marker(driver, "neo4j") is None
    claim(driver, "neo4j", [])
    assert load(less).edges.deleted == 1
    assert stored(driver) == wanted(less)


def test_removing_the_graph_spares_what_others_wrote(driver: Driver, load: Load) -> None:
    load(EXAMPLE)
    driver.execute_query("CREATE (:Note {text: 'keep'})-[:SEES]->(:Note)")
    driver.execute_query("MATCH (a:Item {item: 0}), (b:Item {item: 5}) CREATE (a)-[:LIKED {weight: 1.0}]->(b)")
    load(EXAMPLE.head(3))
    kept = "MATCH ()-[r:LIKED|SEES]->() RETURN count(r)"
    assert driver.execute_query(kept).records[0][0] == 2
    driver.execute_query("MATCH ()-[r:LIKED]->() DELETE r")
    load(EXAMPLE)
    remove_graph(driver, "neo4j")
    left = "MATCH (n) OPTIONAL MATCH (n)-[r]->() RETURN collect(DISTINCT labels(n)), collect(type(r))"
    assert driver.execute_query(left).records[0].values() == [[["Note"]], ["SEES"]]
    wipe(driver)


def test_last_is_a_moment(driver: Driver, load: Load) -> None:
    load(EXAMPLE)
    found = driver.execute_query("MATCH ()-[r]->() WHERE r.last IS NOT NULL RETURN r.last").records
    assert [record[0].to_native() for record in found] == [datetime.fromtimestamp(1_700_000_000, UTC)]


@given(edges=edge_tables(), seed=st.integers(0, 99))
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_over_all_relations_do_not_depend_on_the_back_end(
    load: Load, neo4j_endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory, edges: Edges, seed: int
) -> None:
    load(edges)
    kinds = ("audiobook", "drug_gm", "podcast")
    node_type = np.array([kinds.index(kind) for kind in TYPES], np.uint8)
    truth = SnapshotAdjacency.from_edges(
        *(edges[name].to_numpy() for name in ("src", "dst", "weight")), node_type=node_type, node_types=kinds,
        relation=edges["relation"].replace_strict(list(RELATIONS), range(6), return_dtype=pl.UInt8).to_numpy(),
        relations=RELATIONS,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("graph") / "graph"
    exported = export_snapshot(
        neo4j_endpoint, folder, QUIET, node_type=node_type, node_types=kinds, relations=RELATIONS
    )
    with LiveAdjacency.open(neo4j_endpoint, node_type=node_type, node_types=kinds, relations=RELATIONS) as live:
        for draw in ("uniform", "weighted", "top"):
            first, *others = [
                NeighbourSampler(each, (2, 2), draw=draw).sample(np.arange(9), np.random.default_rng(seed))
                for each in (truth, exported, live)
            ]
            assert all(same(first, other) for other in others)
