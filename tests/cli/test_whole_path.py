"""The whole path through real processes: run, run again, recommend, evaluate, kill."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from neo4j import Driver

from colisten.graph_store.edge_summary import summarise
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.marker import read_marker
from colisten.listening.data import ListeningData
from colisten.pipeline.stages import STAGES
from tests.cli.conftest import QUICK, Colisten, command
from tests.cli.test_forget import holding
from tests.conftest import wipe

TYPES = ("audiobook", "podcast", "course")


@pytest.fixture(scope="module")
def graph(neo4j_endpoint: Endpoint) -> Iterator[Driver]:
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        yield driver


@pytest.fixture(scope="module")
def ran(graph: Driver, colisten: Colisten, split: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder after `colisten run`, which was killed in every stage on the way there; its name is a pattern,
    and no ASCII."""
    workdir = tmp_path_factory.mktemp("ran") / "W [x]*?, ü"
    for stage in STAGES:
        kill_in(stage.title, colisten_run(split, workdir), colisten)
    done = colisten(*colisten_run(split, workdir))
    assert done.returncode == 0, done.stderr
    return workdir


def colisten_run(split: Path, workdir: Path) -> list[str]:
    return ["run", "--data", str(split / "train"), "--workdir", str(workdir), *QUICK]


def kill_in(title: str, words: list[str], colisten: Colisten) -> None:
    """Run until the stage of that title begins, then kill -9."""
    with subprocess.Popen(command(*words), env=colisten.environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(f"{title} …"):
                process.send_signal(signal.SIGKILL)
                return
        pytest.fail(f"{title} never began")


def test_killed_in_any_stage_it_ends_with_the_graph_of_the_edges_file(ran: Path, graph: Driver) -> None:
    data = ListeningData(ran / "listening")
    wanted = summarise(pl.scan_parquet(ran / "edges/edges.parquet", glob=False), data)
    marker = read_marker(graph, "neo4j")
    assert marker is not None
    assert (marker.fingerprint, dict(marker.edges)) == (wanted.fingerprint, dict(wanted.edges))
    by_type: dict[str, int] = dict(graph.execute_query("MATCH ()-[e]->() RETURN type(e), count(e)").records)
    predicts = by_type.pop("PREDICTS", 0)
    assert sum(by_type.values()) == wanted.total
    assert predicts == pl.read_parquet(ran / "towers/weights.parquet", glob=False).height > 0
    assert len(graph.execute_query("MATCH (i:Item) RETURN i").records) == len(data.items)
    assert set(marker.items) == set(TYPES)


def test_a_second_run_does_nothing(ran: Path, split: Path, colisten: Colisten) -> None:
    records = [path for path in (ran / "stages").iterdir() if path.name != "settings.json"]
    before = {path: path.stat().st_mtime_ns for path in records}
    again = colisten(*colisten_run(split, ran))
    assert "Nothing to do" in again.stderr
    assert again.stdout == ""
    assert before == {path: path.stat().st_mtime_ns for path in records}


def test_nothing_is_left_of_the_killed_ones(ran: Path) -> None:
    assert [path.name for path in ran.glob(".*") if path.name != ".lock"] == []


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_recommended(kind: str, ran: Path, split: Path, colisten: Colisten, tmp_path: Path) -> None:
    users = pl.read_parquet(split / "train/users.parquet")["user_id"]
    (tmp_path / "users.csv").write_text("\n".join(users))
    out = tmp_path / "recs.parquet"
    answer = colisten("recommend", "--users", tmp_path / "users.csv", "-w", ran, "-k", 20, "--type", kind, "--out", out)
    assert answer.returncode == 0, answer.stderr
    recs = pl.read_parquet(out)
    assert recs.columns == ["user_id", "item_id", "item_type", "score", "rank"]
    heard = pl.read_parquet(split / "train/interactions.parquet").filter(
        pl.col("signal") == "stream", pl.col("item_type") == kind
    )
    counts = users.to_frame().join(heard.group_by("user_id").agg(n=pl.col("item_id").n_unique()), "user_id", how="left")
    items = pl.read_parquet(split / "train/items.parquet").filter(pl.col("item_type") == kind).height
    assert len(recs) == (items - counts["n"].fill_null(0)).clip(0, 20).sum()
    assert recs["item_type"].unique().to_list() == [kind]
    assert recs.select("user_id", "item_id").is_unique().all()
    assert recs.join(heard, on=["user_id", "item_id"], how="semi").is_empty()


def test_one_user_is_answered_in_json_lines(ran: Path, split: Path, colisten: Colisten) -> None:
    user = pl.read_parquet(split / "test.parquet")["user_id"][0]
    answer = colisten("recommend", user, "--workdir", ran, "-k", 10, "--type", "audiobook", "--json")
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [row["rank"] for row in rows] == list(range(1, 11))
    assert all(set(row) == {"user_id", "item_id", "item_type", "score", "rank"} for row in rows)
    assert answer.stderr == ""


def test_a_stranger_is_answered_with_a_note(ran: Path, colisten: Colisten) -> None:
    answer = colisten("recommend", "x'}) DETACH DELETE n //", "-w", ran, "--json")
    assert answer.returncode == 0
    assert len(answer.stdout.splitlines()) == 10
    assert "Never seen before" in answer.stderr


def test_nobody_is_answered_by_likes(ran: Path, split: Path, colisten: Colisten) -> None:
    liked = pl.read_parquet(split / "train/items.parquet").filter(pl.col("item_type") == "podcast")["title"][0]
    answer = colisten("recommend", "--likes", liked, "--country", "US", "--age", 30, "-w", ran, "--language", "en")
    assert len(answer.stdout.splitlines()) == 10, answer.stderr
    near = colisten("similar", liked, "-w", ran, "--type", "audiobook", "-k", 3)
    assert [json.loads(line)["rank"] for line in near.stdout.splitlines()] == [1, 2, 3]


def test_an_answer_says_why_and_a_path_can_be_followed(ran: Path, split: Path, colisten: Colisten) -> None:
    user = pl.read_parquet(split / "test.parquet")["user_id"][0]
    plain, told = (colisten("recommend", user, "-w", ran, "--json", *more) for more in ((), ("--why",)))
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    reasons = [row.pop("why") for row in rows]
    assert rows == [json.loads(line) for line in plain.stdout.splitlines()]
    assert told.stderr == ""
    joined = next(i for i, reason in enumerate(reasons) if reason["kind"] == "listeners")
    followed = colisten("graph", "path", user, rows[joined]["item_id"], "-w", ran, "-k", 1)
    (way,) = [json.loads(line) for line in followed.stdout.splitlines()]
    assert {name: way[name] for name in ("items", "edges", "strength")} == reasons[joined]["paths"][0]
    table = colisten("recommend", "--likes", way["items"][0]["item_id"], "-w", ran, "--why", "--table", COLUMNS="200")
    assert "heard" in table.stdout
    assert colisten("recommend", "--users", split / "test.parquet", "-w", ran, "--why").returncode == 2


def test_items_are_found_by_what_they_are_about(ran: Path, split: Path, colisten: Colisten) -> None:
    item = pl.read_parquet(split / "train/items.parquet").row(7, named=True)
    found = colisten("search", f"{item['title']}. {item['description']}", "-w", ran, "-k", 3)
    assert json.loads(found.stdout.splitlines()[0])["item_id"] == item["item_id"], found.stderr
    typed = colisten("search", item["title"], "-w", ran, "--type", "course")
    assert {json.loads(line)["item_type"] for line in typed.stdout.splitlines()} == {"course"}
    across = colisten("similar", item["item_id"], "-w", ran, "--across", "-k", 100)
    assert len({json.loads(line)["item_type"] for line in across.stdout.splitlines()}) > 1


def test_the_evaluation_judges_every_segment(ran: Path, split: Path, colisten: Colisten) -> None:
    answer = colisten("evaluate", "-w", ran, "--split", split, "--json", "--baselines", "popularity,itemknn")
    assert answer.returncode == 0, answer.stderr
    (report,) = json.loads(answer.stdout)
    assert {"all", "warm", "cold"} <= set(report["segments"])
    assert {"colisten", "popularity", "itemknn"} <= set(report["segments"]["all"])


def test_the_graph_can_be_asked_and_not_changed(ran: Path, colisten: Colisten) -> None:
    asked = colisten("graph", "cypher", "MATCH (c:Course) RETURN count(c) AS courses", "-w", ran)
    assert json.loads(asked.stdout) == {"courses": 40}
    refused = colisten("graph", "cypher", "MATCH (n) DETACH DELETE n", "-w", ran)
    assert refused.returncode == 4
    assert re.fullmatch(r"Error: This query would write, .*\n", refused.stderr)
    assert json.loads(colisten("graph", "cypher", "MATCH (c:Course) RETURN count(c) AS n", "-w", ran).stdout)["n"] == 40


def test_the_graph_is_shown(ran: Path, colisten: Colisten) -> None:
    hub = json.loads(
        colisten("graph", "cypher", "MATCH (i:Item)-[:!PREDICTS]-() RETURN i.id AS id LIMIT 1", "-w", ran).stdout
    )["id"]
    assert hub in colisten("graph", "show", hub, "-w", ran).stdout
    figures = [json.loads(line) for line in colisten("graph", "stats", "-w", ran).stdout.splitlines()]
    assert sum(row["figure"] for row in figures if row["about"] == "items") == 190
    unknown = colisten("graph", "show", "no such thing", "-w", ran)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)


def test_tomorrow_s_data_updates_the_graph_and_keeps_numbers(
    ran: Path, split: Path, colisten: Colisten, graph: Driver, tmp_path: Path
) -> None:
    """One more day: an item is new, another is heard by two who never met it; the rest keeps its numbers."""
    tomorrow, workdir = tmp_path / "tomorrow", tmp_path / "W"
    shutil.copytree(split / "train", tomorrow)
    shutil.copytree(ran, workdir)
    items = pl.read_parquet(tomorrow / "items.parquet")
    new = items.head(1).with_columns(item_id=pl.lit("a-new-one"), title=pl.lit("Brand New"))
    pl.concat([items, new]).write_parquet(tomorrow / "items.parquet")
    heard = pl.read_parquet(tomorrow / "interactions.parquet")
    first = heard.filter(pl.col("signal") == "stream").head(30)
    more = first.with_columns(item_id=pl.lit("a-new-one"), item_type=pl.lit(new["item_type"][0]))
    pl.concat([heard, more]).write_parquet(tomorrow / "interactions.parquet")
    done = colisten("run", "--data", tomorrow, "--workdir", workdir, *QUICK)
    assert done.returncode == 0, done.stderr
    before = ListeningData(ran / "listening").items.select("item_id", "item")
    after = ListeningData(workdir / "listening").items.select("item_id", "item")
    assert after.head(len(before)).equals(before)
    query = "MATCH (:Item {id: 'a-new-one'})-[e WHERE e.listeners > 0]-() RETURN count(e) AS edges"
    assert graph.execute_query(query).records[0]["edges"] > 0
    marker = read_marker(graph, "neo4j")
    wanted = summarise(pl.scan_parquet(workdir / "edges/edges.parquet"), ListeningData(workdir / "listening"))
    assert marker is not None
    assert marker.fingerprint == wanted.fingerprint


def test_a_person_is_forgotten_in_the_whole_folder(ran: Path, split: Path, colisten: Colisten, tmp_path: Path) -> None:
    """Parquet and SQLite are looked into; what else holds an id would hold it as it is."""
    person, workdir = pl.read_parquet(split / "train/users.parquet")["user_id"][17], tmp_path / "W"
    shutil.copytree(ran, workdir, ignore=shutil.ignore_patterns("neo4j"))
    assert {"listening/users.parquet", "profiles.sqlite"} <= holding(workdir, person)
    done = colisten("forget", person, "--workdir", workdir, "--json")
    assert done.returncode == 0, done.stderr
    assert holding(workdir, person) == set()
    assert "Never seen before" in colisten("recommend", person, "--workdir", workdir).stderr
