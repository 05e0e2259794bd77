"""After `forget` the whole working folder is searched for the person: bytes, Parquet values, SQLite values."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from colisten.cli.main import cli
from colisten.evaluation.experiment.exposures import log_exposures
from colisten.evaluation.experiment.groups import create_experiment
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.serving.profile_writing import write_profiles
from colisten.settings import Settings
from colisten.workdir import Workdir, write_json

PERSON = "person-4711@example.org"
QUIET = Progress(quiet=True)


def values(path: Path) -> Iterator[bytes]:
    """What a file holds, compressed or not."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield pl.read_parquet(path).write_json().encode()
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as connection:
            yield "\n".join(connection.iterdump()).encode()


def holding(root: Path, person: str) -> set[str]:
    """Files under `root` in which the person is found."""
    files = [path for path in root.rglob("*") if path.is_file()]
    files.sort(key=lambda path: not path.name.endswith(("-wal", "-shm")))  # gone once the database was opened
    return {str(path.relative_to(root)) for path in files if any(person.encode() in value for value in values(path))}


@pytest.fixture
def workdir(tmp_path: Path) -> Workdir:
    """Imported CSV with broken rows of the person, profiles, an experiment under way, something of the suite."""
    source = tmp_path / "source"
    source.mkdir()
    people = [f"a{i}" for i in range(5)] + [PERSON] + [f"z{i}" for i in range(5)]
    rows = [f"{user},book{i % 3},audiobook,stream,{1000 + i}" for i in range(4) for user in people]
    broken = [f"{PERSON},nowhere,audiobook,stream,7", f"{PERSON},book1,audiobook,stream,7,too,many,columns"]
    header = "user_id,item_id,item_type,signal,timestamp"
    (source / "interactions.csv").write_text("\n".join([header, *rows, *broken, "a1,nowhere,audiobook,stream,7"]))
    (source / "items.csv").write_text(
        "item_id,item_type,title\n" + "\n".join(f"book{i},audiobook,T{i}" for i in range(3))
    )
    (source / "users.csv").write_text("user_id,age\n" + "\n".join(f"{user},3{i % 7}" for i, user in enumerate(people)))
    folder = Workdir.open(tmp_path / "W", create=True)
    data = import_data(str(source), folder.listening, Settings(), QUIET)
    write_profiles(data, folder.profiles, QUIET)
    write_json(folder.stages / "listening.json", {"digest": data.digest(), "fingerprint": "f"})
    members = create_experiment(folder.experiments, "shelf", {"a": 0.5, "b": 0.5}).members(people)
    shown = pl.LazyFrame({"user_id": people, "item_id": "book1", "item_type": "audiobook", "rank": 1})
    log_exposures(folder.experiments / "shelf", shown, members, "c-1")
    write_json(folder.suite / "runs/full-7.json", {"users": {"warm": people}})
    return folder


def forget(workdir: Workdir, user: str) -> Result:
    answer = CliRunner().invoke(cli, ["forget", user, "--workdir", str(workdir.root)], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer


def test_nothing_is_left_of_the_person(workdir: Workdir) -> None:
    before = holding(workdir.root, PERSON)
    assert {
        "listening/users.parquet",
        "listening/rejected.parquet",
        "profiles.sqlite",
        "suite/runs/full-7.json",
    } <= before
    assert any(name.startswith("experiments/shelf/exposures/") for name in before)
    answer = forget(workdir, PERSON)
    assert holding(workdir.root, PERSON) == set()
    removed = {row["where"]: row["rows"] for row in map(json.loads, answer.stdout.splitlines())}
    assert removed == {
        "listening/interactions.parquet": 4, "listening/users.parquet": 1, "listening/rejected.parquet": 2,
        "profiles.sqlite": 1, "experiments/shelf": 1, "suite": 1,
    }  # fmt: skip
    assert "source files" in answer.stderr
    assert [path.name for path in workdir.root.glob(".*") if path.name != ".lock"] == []


def test_everybody_else_is_as_before(workdir: Workdir) -> None:
    before, earlier = named(ListeningData(workdir.listening)), ListeningData(workdir.listening).summary
    forget(workdir, PERSON)
    data = ListeningData(workdir.listening)
    assert named(data).equals(before.filter(pl.col("user_id") != PERSON))
    assert data.users["user"].to_list() == list(range(len(data.users)))
    assert pl.read_parquet(data.interactions).schema == {
        "user": pl.Int32, "item": pl.Int32, "signal": pl.UInt8, "timestamp": pl.Int64, "value": pl.Float32,
    }  # fmt: skip
    assert pl.read_parquet(data.interactions)["user"].is_sorted()
    assert data.summary["counts"] == earlier["counts"] | {"interactions": 40, "users": 10, "rejected": 1}
    assert sum(data.summary["rejected"].values()) == 1


def named(data: ListeningData) -> pl.DataFrame:
    return pl.read_parquet(data.interactions).join(data.users, on="user", maintain_order="left").drop("user")


def test_what_was_learned_is_learned_anew(workdir: Workdir) -> None:
    lineage, record = ListeningData(workdir.listening).lineage, workdir.stages / "listening.json"
    digest = json.loads(record.read_text())["digest"]
    forget(workdir, PERSON)
    assert ListeningData(workdir.listening).lineage != lineage
    now = json.loads(record.read_text())
    assert now == {"digest": ListeningData(workdir.listening).digest(), "fingerprint": "f"}
    assert now["digest"] != digest


def test_somebody_unknown_changes_nothing(workdir: Workdir) -> None:
    state = {path: path.read_bytes() for path in workdir.listening.iterdir()}
    answer = forget(workdir, "person")
    assert answer.stdout == ""
    assert "Nothing was known of 'person'" in answer.stderr
    assert workdir.suite.exists()
    assert state == {path: path.read_bytes() for path in workdir.listening.iterdir()}
