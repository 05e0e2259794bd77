"""Loading: the same graph however one comes to it, and nobody else's data touched."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from neo4j import Driver
from neo4j.exceptions import Neo4jError

from colisten import settings
from colisten.errors import GraphError
from colisten.graph_store import edge_difference, loading
from colisten.graph_store.connection import open_driver
from colisten.graph_store.edge_properties import SCHEMA, scan_edges
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.inspection.paths import strongest_paths
from colisten.graph_store.inspection.show import show_item
from colisten.graph_store.loading import LoadSummary, load_graph, load_item_weights
from colisten.graph_store.marker import NoGraphError, read_marker, remove_graph
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.store_files import has_store
from colisten.graph_store.verifying import verify
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.relations import BUILT_IN
from colisten.settings import Neo4jSettings, Settings
from colisten.workdir import Workdir
from tests.conftest import wipe
from tests.graph_store.test_edges import crowd
from tests.graph_store.worlds import Listen, listening

QUIET = Progress(quiet=True)
Load = Callable[..., LoadSummary]


@pytest.fixture
def load(neo4j_driver: Driver, neo4j_settings: Settings, graph_workdir: Workdir) -> Load:
    """Build the edges of some data, load them into the session's server by transactions."""

    def run(data: ListeningData, *, top_k: int = 3, **options: Any) -> LoadSummary:
        edges = data.root.parent / "edges"
        build_edges(data, settings.GraphSettings(top_k=top_k), edges, QUIET)
        return load_graph(data, edges / FILE, neo4j_settings, graph_workdir, QUIET, **options)

    return run


def dump(driver: Driver) -> tuple[list[Any], list[Any]]:
    """All that is in the database, in an order of its own."""
    nodes = driver.execute_query("MATCH (n:Item) RETURN labels(n) AS l, properties(n) AS p ORDER BY n.item").records
    edges = driver.execute_query(
        "MATCH (a)-[r]->(b) RETURN a.item AS a, b.item AS b, type(r) AS t, properties(r) AS p ORDER BY a, b, t"
    ).records
    return [(sorted(r["l"]), r["p"]) for r in nodes], [(r["a"], r["b"], r["t"], r["p"]) for r in edges]


def test_the_graph_is_that_of_the_files(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    data = crowd(tmp_path)
    loaded = load(data)
    nodes, edges = dump(neo4j_driver)
    wanted = pl.read_parquet(tmp_path / "edges" / FILE)
    assert {(a, b, p["listeners"], p["weight"]) for a, b, _, p in edges} == set(
        wanted.select("src", "dst", "listeners", pl.col("weight").cast(pl.Float64)).rows()
    )
    assert len(edges) == wanted.height == loaded.edges.upserted
    assert len(nodes) == data.items.height == loaded.items
    heard = pl.read_parquet(data.interactions).filter(signal=0)
    listeners = dict(heard.group_by("item").agg(pl.col("user").n_unique()).rows())
    for (labels, node), item in zip(nodes, data.items.rows(named=True), strict=True):
        assert labels[-1] == "Item" or "Item" in labels
        assert node == {
            "id": item["item_id"], "item": item["item"], "row": item["row"], "title": item["title"], "language": "en",
            "genres": ["crime", "history"], "retired": item["retired"], "listeners": listeners.get(item["item"], 0),
        }  # fmt: skip
    marker = read_marker(neo4j_driver, "neo4j")
    assert marker is not None
    assert marker == loaded.marker
    assert sum(marker.edges.values()) == wanted.height


def test_the_same_data_twice_writes_nothing(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    data = crowd(tmp_path)
    load(data)
    before = dump(neo4j_driver)
    again = load(data)
    assert (again.method, again.items, again.edges.upserted, again.edges.deleted) == ("unchanged", 0, 0, 0)
    neo4j_driver.execute_query("MATCH (g:CoListeningGraph) SET g.complete = false")
    checked = load(data)
    assert (checked.method, checked.items, checked.edges.upserted, checked.edges.deleted) == ("transactions", 0, 0, 0)
    assert dump(neo4j_driver) == before


def test_a_graph_of_an_earlier_version_is_moved(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    data = crowd(tmp_path)
    load(data)
    before = dump(neo4j_driver)
    for query in (
        "MATCH (a:Item {item: 0}), (b:Item {item: 1}) CREATE (a)-[:SPEAKS_FOR {weight: .5}]->(b)",
        "MATCH (g:CoListeningGraph) REMOVE g.relations",
    ):
        neo4j_driver.execute_query(query)
    assert read_marker(neo4j_driver, "neo4j") is None
    moved = load(data)
    assert (moved.method, moved.items, moved.edges.upserted, moved.edges.deleted) == ("transactions", 0, 0, 0)
    assert dump(neo4j_driver) == before


def days(folder: Path) -> list[ListeningData]:
    """Three days of one platform: listening and items come, one retires, a title changes, an old day is dropped."""
    one: list[Listen] = [(u, i, 0, 100 + u) for u in range(8) for i in range(6) if (u * i) % 3 != 1]
    two = [*one, *((u, i, 0, 200) for u in range(4, 14) for i in range(4, 9) if (u + i) % 4)]
    three = [*two[20:], *((u, 9, 0, 300) for u in range(5))]
    types = [
        "podcast",
        "audiobook",
        "podcast",
        "audiobook",
        "podcast",
        "podcast",
        "audiobook",
        "music",
        "music",
        "film",
    ]
    titles = [f"Title of {item}" for item in range(10)]
    renamed = ["A better title", *titles[1:]]
    return [
        listening(folder / "1/data", types[:6], one),
        listening(folder / "2/data", types[:9], two, title=renamed[:9]),
        listening(folder / "3/data", types, three, title=renamed, retired=[2]),
    ]


@pytest.mark.parametrize("frequent", [1, edge_difference.FREQUENT, 10**9])
def test_days_by_difference_equal_a_rebuild(
    tmp_path: Path, neo4j_driver: Driver, load: Load, monkeypatch: pytest.MonkeyPatch, frequent: int
) -> None:
    """Whether each relationship type is written by a statement of its own, or rare ones together."""
    monkeypatch.setattr(edge_difference, "FREQUENT", frequent)
    by_difference, changes = [], []
    for data in days(tmp_path):
        changes.append(load(data, top_k=2))
        by_difference.append((dump(neo4j_driver), changes[-1].marker.version))
    for data, found in zip(days(tmp_path), by_difference, strict=True):
        wipe(neo4j_driver)
        assert (*[load(data, top_k=2).marker.version], dump(neo4j_driver)) == (found[1], found[0])
    for day, wanted in zip(changes[1:], (0, 1), strict=True):
        total = sum(day.marker.edges.values())
        assert 0 < day.edges.upserted < total, "a new day was written as a rebuild"
        assert day.edges.deleted > wanted
    assert changes[1].items > 3


def test_many_ranges_and_batches_give_the_same_graph(
    tmp_path: Path, neo4j_driver: Driver, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = crowd(tmp_path)
    load(data)
    whole = dump(neo4j_driver)
    wipe(neo4j_driver)
    monkeypatch.setattr(edge_difference, "_EDGES_COMPARED", 40)
    load(data)
    assert dump(neo4j_driver) == whole


WRITER = """
import sys
from pathlib import Path
from pydantic import SecretStr
from colisten.graph_store import edge_difference
from colisten.graph_store.loading import load_graph
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.relations import BUILT_IN
from colisten.settings import Neo4jSettings, Settings
from colisten.workdir import Workdir
data, edges, workdir = map(Path, sys.argv[1:4])
neo4j = Neo4jSettings(uri=sys.argv[4], password=SecretStr(sys.stdin.read()), batch=100)
load_graph(ListeningData(data), edges, Settings(neo4j=neo4j), Workdir.open(workdir), Progress(quiet=True))
"""


def test_a_killed_load_is_repaired_by_the_next(
    tmp_path: Path, neo4j_driver: Driver, neo4j_settings: Settings, graph_workdir: Workdir, load: Load
) -> None:
    data = crowd(tmp_path, users=400, items=240)
    load(data, top_k=0)
    whole = dump(neo4j_driver)
    assert len(whole[1]) > 5_000
    wipe(neo4j_driver)
    password = neo4j_settings.neo4j.password
    assert password is not None
    arguments = [data.root, tmp_path / "edges" / FILE, graph_workdir.root, neo4j_settings.neo4j.uri]
    writer = subprocess.Popen([sys.executable, "-c", WRITER, *map(str, arguments)], stdin=subprocess.PIPE, text=True)
    assert writer.stdin is not None
    writer.stdin.write(password.get_secret_value())
    writer.stdin.close()
    while count_edges(neo4j_driver) < 500:
        assert writer.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    half = count_edges(neo4j_driver)
    assert half < len(whole[1])
    assert read_marker(neo4j_driver, "neo4j") is None, "half a graph passes for a whole one"
    repaired = load(data, top_k=0)
    assert dump(neo4j_driver) == whole
    assert repaired.edges.upserted <= len(whole[1]) - half, "what was there was written again"


def test_the_last_graph_is_shown_while_the_next_is_loaded(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    data = crowd(tmp_path)
    ids = data.items["item_id"].to_list()
    load(data)
    with ThreadPoolExecutor(1) as pool:
        loads = pool.submit(lambda: [load(data, top_k=top_k).edges for top_k in (0, 3, 0, 3)])
        seen_while_loaded = 0
        for item, item_id in cycle(enumerate(ids)):
            if loads.done():
                break
            seen_while_loaded += read_marker(neo4j_driver, "neo4j") is None
            view = show_item(neo4j_driver, "neo4j", item_id)
            assert view is not None
            found = [neighbour for group in view.groups for neighbour in group.neighbours]
            assert all(neighbour.weight > 0 and neighbour.listeners for neighbour in found)
            for paths in strongest_paths(neo4j_driver, "neo4j", [item], range(0, len(ids), 7)).values():
                assert all(path.strength > 0 for path in paths)
    assert all(changes.upserted + changes.deleted for changes in loads.result())
    assert seen_while_loaded


def test_a_first_graph_and_one_that_is_removed_are_not_shown_in_part(
    tmp_path: Path, neo4j_driver: Driver, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = crowd(tmp_path)

    def stop(*_: object, **__: object) -> NoReturn:
        with pytest.raises(NoGraphError, match="colisten graph build"):
            show_item(neo4j_driver, "neo4j", data.items["item_id"][0])
        raise GraphError("stop here")

    with monkeypatch.context() as patch, pytest.raises(GraphError, match="stop here"):
        patch.setattr(loading, "_finish", stop)
        load(data)
    load(data)
    neo4j_driver.execute_query("MATCH (n:Item {item: 0}) CREATE (n)-[:THEIRS]->(:Other)")
    with pytest.raises(Neo4jError):
        remove_graph(neo4j_driver, "neo4j")
    with pytest.raises(NoGraphError):
        show_item(neo4j_driver, "neo4j", data.items["item_id"][1])


def count_edges(driver: Driver) -> int:
    found: int = driver.execute_query("MATCH ()-[r]->() RETURN count(r) AS n").records[0]["n"]
    return found


def test_edges_lost_or_changed_by_hand_are_found_and_repaired(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    data = crowd(tmp_path)
    loaded = load(data)
    whole = dump(neo4j_driver)
    neo4j_driver.execute_query("MATCH ()-[r]->() WITH r LIMIT 3 DELETE r")
    assert load(data).edges.upserted == 3
    assert dump(neo4j_driver) == whole
    neo4j_driver.execute_query("MATCH ()-[r]->() WITH r LIMIT 1 SET r.weight = r.weight + 1e-7")
    summary = build_edges(data, settings.GraphSettings(top_k=3), tmp_path / "edges", QUIET)
    with pytest.raises(GraphError, match="other edges"):
        verify(neo4j_driver, "neo4j", loaded.marker, summary, BUILT_IN, connections=2, progress=QUIET)


def test_a_database_of_somebody_else_is_refused(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    neo4j_driver.execute_query("CREATE (:Person {name: 'Ada'})-[:KNOWS]->(:Person {name: 'Bob'})")
    with pytest.raises(GraphError, match="2 nodes that Colisten did not write"):
        load(crowd(tmp_path), replace=True)
    everything = neo4j_driver.execute_query("MATCH (n) RETURN labels(n) AS l").records
    assert [record["l"] for record in everything] == [["Person"], ["Person"]]


def test_notes_of_others_beside_the_graph_are_never_touched(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    one, two, three = days(tmp_path)
    load(one)
    note = "MATCH (n:Item {item: 0}) SET n.mine = 1 CREATE (:Note {text: 'keep'})-[:ABOUT]->(n)"
    neo4j_driver.execute_query(note)
    for data in (two, three):
        load(data)
    kept = neo4j_driver.execute_query("MATCH (m:Note)-[:ABOUT]->(n:Item) RETURN m.text, n.mine, n.title").records
    assert [tuple(record.values()) for record in kept] == [("keep", 1, "A better title")]


def test_another_catalogue_is_refused_unless_replaced(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    load(crowd(tmp_path / "one"))
    other = listening(tmp_path / "two/data", ["film", "film"], [(0, 0, 0, 1), (0, 1, 0, 1)])
    with pytest.raises(GraphError, match="another catalogue"):
        load(other)
    load(other, replace=True)
    nodes, edges = dump(neo4j_driver)
    assert [node["id"] for _, node in nodes] == ["film-0", "film-1"]
    assert [edge[:3] for edge in edges] == [(0, 1, "CO_LISTENED_FILM_FILM")]


NASTY = [
    "x' }) DETACH DELETE n //", '"', "``", "a,b;c\td", "line\nbreak\r\n", "\\", '\\"', "", "null", "$id", "{}",
    "🎧 ünï", "\x1f", " padded ", "'; DROP", "0",
]  # fmt: skip


def nasty(folder: Path) -> ListeningData:
    """Every text that could break out of Cypher or CSV, as id, title, genre, and item type."""
    n = len(NASTY)
    return listening(
        folder / "data",
        [*NASTY[:6], *["podcast"] * (n - 6)],
        [(u, i, 0, None) for u in range(3) for i in range(n)],
        item_id=[f"{text}/{i}" for i, text in enumerate(NASTY)],
        title=NASTY,
        language=[None, *NASTY[1:]],
        genres=[[text, "second"] if i % 3 else [] for i, text in enumerate(NASTY)],
        creators=[[text] if i % 2 else None for i, text in enumerate(NASTY)],
        published=[None if i % 2 else date(1900 + i, 2, 3) for i in range(n)],
    )


def test_texts_with_quotes_and_cypher_are_harmless(tmp_path: Path, neo4j_driver: Driver, load: Load) -> None:
    load(nasty(tmp_path), top_k=0)
    nodes, edges = dump(neo4j_driver)
    assert [node["id"] for _, node in nodes] == [f"{text}/{i}" for i, text in enumerate(NASTY)]
    assert len(edges) == len(NASTY) * (len(NASTY) - 1) // 2


@pytest.fixture
def own_server(tmp_path: Path) -> Any:
    """A working folder whose managed server is nobody else's; stopped afterwards."""
    workdir = Workdir.open(tmp_path / "W", create=True)
    options = Settings(neo4j=Neo4jSettings(memory_mb=512))
    yield workdir, options
    ManagedServer(workdir.neo4j, options.neo4j, QUIET).stop()


def with_every_property(edges: Path) -> None:
    """Some co-listening edges get a time; others become edges of a series, with and without a step."""
    number = pl.int_range(pl.len())
    some = scan_edges(pl.scan_parquet(edges)).select(list(SCHEMA)).collect()
    some.with_columns(
        relation=pl.when(number % 3 == 0).then("relation").otherwise(pl.lit("same_series")),
        listeners=pl.when(number % 3 == 0).then("listeners"),
        last=pl.when(number % 6 == 0).then(1_600_000_000 + number.cast(pl.Int64)),
        step=pl.when(number % 3 == 1).then(number.cast(pl.Float32) - 7.5),
    ).write_parquet(edges)


def test_the_importer_writes_the_same_graph(
    tmp_path: Path, neo4j_driver: Driver, load: Load, own_server: Any, monkeypatch: pytest.MonkeyPatch,
    neo4j_settings: Settings, graph_workdir: Workdir,
) -> None:  # fmt: skip
    workdir, options = own_server
    data = nasty(tmp_path)
    load(data, top_k=0)
    edges = tmp_path / "edges" / FILE
    with_every_property(edges)
    load_graph(data, edges, neo4j_settings, graph_workdir, QUIET)
    server = ManagedServer(workdir.neo4j, options.neo4j, QUIET)
    monkeypatch.setattr(loading, "IMPORT_FROM", 1)

    orphan = workdir.neo4j / "data/databases/draft-0000"
    half = workdir.neo4j / "data/transactions/neo4j"
    for left_by_a_kill in (orphan, half):
        left_by_a_kill.mkdir(parents=True)
    assert not has_store(server, "neo4j")
    imported = load_graph(data, edges, options, workdir, QUIET)
    assert imported.method == "import"
    assert not orphan.exists()
    assert not list(workdir.neo4j.glob("draft-*"))
    with open_driver(options, workdir, QUIET) as driver:
        assert dump(driver) == dump(neo4j_driver)
        assert load_graph(data, edges, options, workdir, QUIET).method == "unchanged"
        driver.execute_query("MATCH ()-[r]->() WITH r LIMIT 5 DELETE r")
        repaired = load_graph(data, edges, options, workdir, QUIET)
        assert (repaired.method, repaired.items, repaired.edges.upserted) == ("transactions", 0, 5)
        assert dump(driver) == dump(neo4j_driver)


IMPORTER = """
import sys
from pathlib import Path
from colisten.graph_store import loading
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.relations import BUILT_IN
from colisten.settings import Neo4jSettings, Settings
from colisten.workdir import Workdir
loading.IMPORT_FROM = 1
data, edges, workdir = map(Path, sys.argv[1:])
options = Settings(neo4j=Neo4jSettings(memory_mb=512))
loading.load_graph(ListeningData(data), edges, options, Workdir.open(workdir), Progress(quiet=True))
"""


def test_a_killed_import_is_repaired_by_the_next(tmp_path: Path, own_server: Any) -> None:
    workdir, options = own_server
    data = crowd(tmp_path)
    summary = build_edges(data, settings.GraphSettings(), tmp_path / "edges", QUIET)
    arguments = [sys.executable, "-c", IMPORTER, data.root, tmp_path / "edges" / FILE, workdir.root]
    importer = subprocess.Popen([str(word) for word in arguments])
    while not list(workdir.neo4j.glob("data/databases/draft-*")):
        assert importer.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    importer.send_signal(signal.SIGKILL)
    importer.wait()
    subprocess.run([str(word) for word in arguments], check=True)
    with open_driver(options, workdir, QUIET) as driver:
        marker = read_marker(driver, "neo4j")
        assert marker is not None
        assert marker.fingerprint == summary.fingerprint
        assert count_edges(driver) == summary.total
    assert not list(workdir.neo4j.glob("data/databases/draft-*"))


def test_a_store_that_no_longer_opens_is_put_aside_and_the_graph_built_anew(tmp_path: Path, own_server: Any) -> None:
    workdir, options = own_server
    data = crowd(tmp_path)
    build_edges(data, settings.GraphSettings(), tmp_path / "edges", QUIET)
    first = load_graph(data, tmp_path / "edges" / FILE, options, workdir, QUIET)
    ManagedServer(workdir.neo4j, options.neo4j, QUIET).stop()
    (workdir.neo4j / "data/databases/neo4j/neostore").write_bytes(b"")
    again = load_graph(data, tmp_path / "edges" / FILE, options, workdir, QUIET)
    assert (again.items, again.edges, again.marker.version) == (first.items, first.edges, first.marker.version)
    assert (workdir.neo4j / "data-that-does-not-open/databases/neo4j/neostore").read_bytes() == b""


def test_what_was_learned_lies_beside_the_edges_by_difference(
    tmp_path: Path, neo4j_driver: Driver, neo4j_settings: Settings, graph_workdir: Workdir, load: Load
) -> None:
    data = crowd(tmp_path)
    load(data)
    _, edges = dump(neo4j_driver)
    weights = tmp_path / "weights.parquet"

    def reload(*learned: tuple[int, int, float]) -> list[tuple[int, int, float]]:
        schema = {"src": pl.Int32, "dst": pl.Int32, "weight": pl.Float32}
        pl.DataFrame(list(learned), schema, orient="row").write_parquet(weights)
        done = load_item_weights(weights, neo4j_settings, graph_workdir, QUIET)
        changes.append((done.upserted, done.deleted))
        _, found = dump(neo4j_driver)
        assert [edge for edge in found if edge[2] != "PREDICTS"] == edges
        return [(a, b, p["weight"]) for a, b, kind, p in found if kind == "PREDICTS"]

    changes: list[tuple[int, int]] = []
    assert reload((0, 1, 0.5), (1, 0, 0.25), (2, 0, 0.125)) == [(0, 1, 0.5), (1, 0, 0.25), (2, 0, 0.125)]
    assert reload((0, 1, 0.5), (1, 0, 0.75)) == [(0, 1, 0.5), (1, 0, 0.75)]
    assert changes == [(3, 0), (1, 1)]
    assert load(data).method == "unchanged"
    assert reload() == []
