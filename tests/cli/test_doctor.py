"""Health checks: each fault is found, with what to do about it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from neo4j import Driver

from colisten.cli.health.data import check_data
from colisten.cli.health.events import check_events
from colisten.cli.health.finding import Finding, examined
from colisten.cli.health.graph import check_neo4j
from colisten.cli.health.index import check_qdrant
from colisten.cli.main import cli
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.loading import load_graph
from colisten.listening.data import ListeningData
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.serving.profile_writing import write_profiles
from colisten.settings import GraphSettings, Settings
from colisten.workdir import Workdir, write_json

QUIET = Progress(quiet=True)
Spoil = Callable[[Path], None]


def state(findings: Iterable[Finding], about: str) -> str:
    """The worst state of the findings about something."""
    return max((one.state for one in findings if one.about == about), key=["ok", "warn", "bad"].index)


@pytest.fixture
def folder(tmp_path: Path) -> Workdir:
    """A healthy folder: data and edges, ten books and five podcasts in two groups of listeners."""
    source = tmp_path / "source"
    source.mkdir()
    items = [(f"{kind}{i}", kind, f"Title {i}") for kind, n in (("book", 10), ("podcast", 5)) for i in range(n)]
    rows = [
        (f"u{user}", item, kind, "stream", 1_700_000_000 + user)
        for user in range(20) for item, kind, _ in items if int(item[-1]) % 2 == user % 2
    ]  # fmt: skip
    pl.DataFrame(items, ["item_id", "item_type", "title"], orient="row").write_parquet(source / "items.parquet")
    columns = ["user_id", "item_id", "item_type", "signal", "timestamp"]
    pl.DataFrame(rows, columns, orient="row").write_parquet(source / "interactions.parquet")
    found = Workdir.open(tmp_path / "W", create=True)
    data = import_data(str(source), found.listening, Settings(target="book"), QUIET)
    build_edges(data, GraphSettings(), found.edges, QUIET)
    return found


def rewrite(name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    def spoil(root: Path) -> None:
        change(pl.read_parquet(root / name)).write_parquet(root / name)

    return spoil


def many_rejected(root: Path) -> None:
    path = root / "listening/summary.json"
    about = json.loads(path.read_text())
    write_json(path, about | {"counts": about["counts"] | {"rejected": 900}, "rejected": {"timestamp is no time": 900}})


def many_warnings(root: Path) -> None:
    path = root / "listening/summary.json"
    write_json(path, json.loads(path.read_text()) | {"warnings": ["9 times lie after today."]})


def test_healthy_data_has_nothing_to_do(folder: Workdir) -> None:
    findings = list(check_data(folder))
    assert {finding.state for finding in findings} == {"ok"}
    assert "book → book, co_listened: median 4, 10 % have at most 4, 90 % at most 4, top 4" in [
        one.found for one in findings
    ]
    assert len([one for one in findings if one.about == "degrees"]) == 4


FAULTS = {
    "data": many_rejected,
    "values": many_warnings,
    "ids": rewrite("listening/interactions.parquet", lambda rows: rows.with_columns(item=pl.col("item") + 9)),
    "texts": rewrite("listening/items.parquet", lambda rows: rows.with_columns(title=pl.lit(None, pl.String))),
    "times": rewrite(
        "listening/interactions.parquet", lambda rows: rows.with_columns(timestamp=pl.lit(None, pl.Int64))
    ),
    "edges": rewrite("listening/items.parquet", lambda rows: rows.with_columns(retired=pl.col("item") == 0)),
    "isolated items": rewrite(f"edges/{FILE}", lambda rows: rows.filter(pl.col("src") > 3, pl.col("dst") > 3)),
    "balance": rewrite(
        f"edges/{FILE}",
        lambda rows: rows.filter(pl.col("src_type") == pl.col("dst_type"), pl.col("src_type") == "book"),
    ),
}


@pytest.mark.parametrize("about", FAULTS)
def test_a_fault_of_the_data_is_found(about: str, folder: Workdir) -> None:
    FAULTS[about](folder.root)
    findings = list(check_data(folder))
    assert state(findings, about) == "warn"
    assert all(one.todo for one in findings if one.state != "ok")


def test_nothing_imported_is_a_warning(tmp_path: Path) -> None:
    assert state(check_data(Workdir.open(tmp_path / "W", create=True)), "data") == "warn"


def test_the_graph_is_checked(folder: Workdir, neo4j_driver: Driver, neo4j_settings: Settings) -> None:
    def check() -> list[Finding]:
        return list(check_neo4j(folder, neo4j_settings))

    assert state(check(), "Neo4j") == "ok"
    assert state(check(), "graph") == "bad"
    loaded = load_graph(ListeningData(folder.listening), folder.edges / FILE, neo4j_settings, folder, QUIET)
    write_json(folder.stages / "graph.json", {"digest": loaded.marker.version})
    assert {finding.state for finding in check()} == {"ok"}
    neo4j_driver.execute_query("DROP INDEX colisten_titles")
    neo4j_driver.execute_query("DROP CONSTRAINT colisten_item")
    (indexes,) = (one for one in check() if one.about == "indexes")
    assert (indexes.state, "colisten_item, colisten_titles" in indexes.found) == ("bad", True)
    write_json(folder.stages / "graph.json", {"digest": "another"})
    assert state(check(), "graph") == "bad"


def test_a_server_out_of_reach_is_one_finding(folder: Workdir) -> None:
    nowhere = Settings.load(["neo4j.uri=bolt://127.0.0.1:9", "neo4j.password=hush"])
    (found,) = examined("Neo4j", lambda: check_neo4j(folder, nowhere))
    assert (found.state, "neo4j.uri" in found.todo, "hush" in str(found)) == ("bad", True, False)


def test_the_index_is_checked(world: tuple[Workdir, ListeningData, Settings], tmp_path: Path) -> None:
    served, _, settings = world
    assert {one.state for one in check_qdrant(served, settings)} == {"ok"}
    copy = Workdir.open(Path(shutil.copytree(served.root, tmp_path / "W")))
    rewrite("items.parquet", lambda rows: rows.with_columns(retired=pl.col("item") == 1))(copy.listening)
    assert state(check_qdrant(copy, settings), "index") == "warn"
    shutil.rmtree(copy.index / "towers")
    assert state(examined("Qdrant", lambda: check_qdrant(copy, settings)), "Qdrant") == "bad"
    shutil.rmtree(copy.index)
    assert state(check_qdrant(copy, settings), "Qdrant") == "warn"


def test_the_log_of_events_is_checked(folder: Workdir) -> None:
    assert [one.found for one in check_events(folder, deep=False)] == ["none were posted"]
    with EventStore.create(folder.events) as store, store.transaction():
        store.add(Event(f"u{i % 7}", "book1", "stream", i) for i in range(5000))
    (found,) = check_events(folder, deep=True)
    assert (found.state, found.found) == ("ok", "5,000 of 7 users, 5,000 of them since the last run")
    write_profiles(ListeningData(folder.listening), folder.profiles, QUIET)
    with EventStore.create(folder.events) as store, store.transaction():
        store.add([Event("u1", "nowhere", "stream", 1)])
    assert [one.state for one in check_events(folder, deep=False)] == ["ok", "warn"]
    with folder.events.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xff" * 4096 * 20)
    (spoilt,) = examined("events", lambda: check_events(folder, deep=False))
    assert spoilt.state == "bad"
    assert "put a copy in its place" in spoilt.todo


def test_a_check_that_fails_is_a_finding() -> None:
    def broken() -> Iterable[Finding]:
        yield Finding("ok", "first", "well")
        raise KeyError("lost")

    found = list(examined("second", broken))
    assert [(one.about, one.state) for one in found] == [("first", "ok"), ("second", "bad")]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["--set", "gnn.dmi=3"], 1),
        (["--set", "text.encoder=/no/such/folder"], 1),
        (["--set", "gnn.devices=1000"], 1),
        (["--set", "towers.devices=1000"], 1),
    ],
)
def test_the_exit_code_is_1_where_something_is_bad(folder: Workdir, words: list[str], code: int) -> None:
    answer = CliRunner().invoke(cli, ["doctor", "--workdir", str(folder.root), "--json", *words])
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.exit_code == code, answer.output
    assert {"machine", "disk", "training"} <= {row["about"] for row in rows if row["state"] != "bad"}
    assert any(row["state"] == "bad" for row in rows) == bool(code)


def test_without_a_folder_the_machine_is_checked(tmp_path: Path) -> None:
    answer = CliRunner().invoke(cli, ["doctor", "--workdir", str(tmp_path / "none"), "--json"])
    assert answer.exit_code == 0
    assert "working folder" in answer.stdout
    assert not (tmp_path / "none").exists()
