"""Three days of growing data in one working folder, beside a rebuild of the last from nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from neo4j import Driver

from colisten.graph_store.endpoint import Endpoint, connect
from colisten.listening.data import ListeningData
from tests.cli.conftest import QUICK, Colisten, command
from tests.conftest import wipe

SETTINGS = (*QUICK, "--set", "cadence.gnn=weekly", "--set", "graph.top_k=4", "--set", "graph.items_per_user=12")
Edge = tuple[str, str, str, int, float]


@pytest.fixture(scope="module")
def graph(neo4j_endpoint: Endpoint) -> Iterator[Driver]:
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        yield driver
        wipe(driver)


@pytest.fixture(scope="module")
def days(split: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The world as it is known on three days: new events and new items each day, and on the third two items retire.

    A new item comes in the middle of the order of the ids, so that a rebuild numbers all others otherwise.
    """
    items, events = (pl.read_parquet(split / "train" / f"{name}.parquet") for name in ("items", "interactions"))
    last, place = events.select(pl.col("timestamp").max()).item(), pl.int_range(pl.len())
    folders = []
    for back, known in ((8, place % 15 > 2), (4, place % 15 > 0), (0, place % 40 > 0)):
        folder = tmp_path_factory.mktemp("day")
        catalogue = items.filter(known)
        catalogue.write_parquet(folder / "items.parquet")
        today = events.filter(pl.col("timestamp") <= last - back * 86_400)
        today.join(catalogue, on="item_id", how="semi").write_parquet(folder / "interactions.parquet")
        shutil.copy(split / "train/users.parquet", folder)
        folders.append(folder)
    return folders


def edges(graph: Driver) -> set[Edge]:
    """What joins what: the ids in order, type, shared listeners and weight."""
    found = graph.execute_query(
        "MATCH (a:Item)-[r]->(b:Item) WHERE type(r) STARTS WITH 'CO_LISTENED' "
        "RETURN a.id AS a, b.id AS b, type(r) AS t, r.listeners AS n, r.weight AS w"
    ).records
    assert len(found) > 300
    return {(*sorted((row["a"], row["b"])), row["t"], row["n"], row["w"]) for row in found}


def finished(workdir: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in (workdir / "stages").glob("*.json")}


def run_while_somebody_asks(words: list[str], question: list[str], colisten: Colisten) -> str:
    """Run to its end; meanwhile every question is answered in full."""
    answers = []
    with subprocess.Popen(command(*words), env=colisten.environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while process.poll() is None:
            answers.append(colisten(*question))
            time.sleep(2)
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert {(answer.returncode, len(answer.stdout.splitlines())) for answer in answers} == {(0, 5)}
    return said


def test_three_days_end_in_the_graph_of_a_rebuild(
    days: list[Path], graph: Driver, colisten: Colisten, tmp_path: Path
) -> None:
    workdir, rebuilt = tmp_path / "W", tmp_path / "rebuilt"
    first = colisten("run", "--data", days[0], "--workdir", workdir, *SETTINGS)
    assert first.returncode == 0, first.stderr
    after_first, trained = edges(graph), finished(workdir)
    user = ListeningData(workdir / "listening").users["user_id"][0]

    question = ["recommend", user, "--workdir", str(workdir), "-k", "5", "--json"]
    second = run_while_somebody_asks(["run", "--data", str(days[1]), "--workdir", str(workdir)], question, colisten)
    after_second, embedded = edges(graph), finished(workdir)
    assert "Training the graph network: next on" in second
    assert [name for name in trained if embedded[name] == trained[name]] == ["gnn"]

    third = colisten("run", "--data", days[2], "--workdir", workdir, "--set", "cadence.gnn=always")
    assert third.returncode == 0, third.stderr
    assert "warm start from the weights" in third.stderr
    kept_up = edges(graph)
    assert after_first - after_second
    assert after_second - after_first
    names = {name for edge in kept_up for name in edge[:2]}
    data = ListeningData(workdir / "listening")
    retired = set(data.items.filter("retired")["item_id"])
    assert retired
    assert not names & retired
    assert {edge[:3] for edge in after_second if retired & set(edge[:2])}
    assert names - {name for edge in after_second for name in edge[:2]}

    wipe(graph)
    for words in (["data", "import", "--data", days[2]], ["graph", "build"]):
        done = colisten(*words, "--workdir", rebuilt, *SETTINGS)
        assert done.returncode == 0, done.stderr
    numbers = [ListeningData(folder / "listening").items.select("item_id", "item") for folder in (workdir, rebuilt)]
    assert not numbers[0].join(numbers[1], on=["item_id", "item"], how="anti").is_empty()
    assert edges(graph) == kept_up

    rows = [json.loads(line) for line in colisten(*question).stdout.splitlines()]
    assert not {row["item_id"] for row in rows} & retired
