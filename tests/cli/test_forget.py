"""After `forget` the whole working folder is searched for the person: bytes, Parquet values, SQLite values."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from colisten.cli.main import cli
from colisten.evaluation.experiment.exposures import log_exposures
from colisten.listening.data import ListeningData
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.serving.experiment.exposures import Exposure, ExposureLog
from colisten.serving.experiment.groups import create_experiment
from colisten.serving.profile_writing import write_profiles
from colisten.serving.profiles import Profiles
from colisten.serving.rules.store import Rule, RuleStore
from colisten.settings import Settings
from colisten.workdir import Workdir, write_json
from tests.cli.conftest import command

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
    with ExposureLog.open(folder.experiments) as log, log.transaction():
        log.add([Exposure(user, "shelf", "r", "a", 7, "c-1", ["book1"], ["audiobook"], [1.0]) for user in people])
    RuleStore(folder.rules).add([Rule("deny", "item", "book1", user) for user in people])
    with EventStore.create(folder.events) as store, store.transaction():
        store.add(Event(user, f"book{i}", "stream", 2000 + i) for i in range(3) for user in people)
        store.put_features(PERSON, {"age": 40})
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
        "rules.sqlite",
        "events.sqlite",
        "suite/runs/full-7.json",
    } <= before
    assert any(name.startswith("experiments/shelf/exposures/") for name in before)
    answer = forget(workdir, PERSON)
    assert holding(workdir.root, PERSON) == set()
    removed = {row["where"]: row["rows"] for row in map(json.loads, answer.stdout.splitlines())}
    assert removed == {
        "listening/interactions.parquet": 4, "listening/users.parquet": 1, "listening/rejected.parquet": 2,
        "profiles.sqlite": 1, "events.sqlite": 4, "rules.sqlite": 1, "experiments/shelf": 1,
        "experiments/exposures.sqlite": 1, "suite": 1,
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
    assert now == {"digest": ListeningData(workdir.listening).digest(), "fingerprint": "f", "files": {}}
    assert now["digest"] != digest


def test_somebody_unknown_changes_nothing(workdir: Workdir) -> None:
    state = {path: path.read_bytes() for path in workdir.listening.iterdir()}
    answer = forget(workdir, "person")
    assert answer.stdout == ""
    assert "Nothing was known of 'person'" in answer.stderr
    assert workdir.suite.exists()
    assert state == {path: path.read_bytes() for path in workdir.listening.iterdir()}


def test_copies_that_kills_left_go_too(workdir: Workdir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders stepped aside, drafts, a journal that SQLite would replay, scratch in the system's temporary folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(workdir.root.parent))
    scratch = workdir.root.parent / f"colisten-{os.getuid()}/.colisten-scratch.abcdefgh"
    scratch.mkdir(parents=True)
    shutil.copytree(workdir.listening, workdir.root / ".colisten-listening.old")
    shutil.copytree(workdir.listening, workdir.root / ".colisten-listening.a1b2c3d4")
    shutil.copy(workdir.listening / "users.parquet", scratch / "users.parquet")
    shutil.copy(workdir.profiles, workdir.root / ".colisten-profiles.sqlite.a1b2c3d4")
    for log in list((workdir.experiments / "shelf/exposures").iterdir()):
        shutil.copy(log, log.with_name(f".colisten-{log.name}.a1b2c3d4"))
    _killed_while_writing(workdir.profiles)
    forget(workdir, PERSON)
    assert holding(workdir.root, PERSON) == set()
    assert not scratch.exists()
    assert _whole(workdir.profiles)


def test_a_journal_of_a_kill_does_not_reach_new_profiles(workdir: Workdir) -> None:
    fresh = workdir.root / "fresh.sqlite"
    data = ListeningData(workdir.listening)
    write_profiles(data, fresh, QUIET)
    _killed_while_writing(workdir.profiles)
    write_profiles(data, workdir.profiles, QUIET)
    assert _whole(workdir.profiles)
    assert _dump(workdir.profiles) == _dump(fresh)


def test_a_kill_at_any_moment_breaks_nothing(workdir: Workdir) -> None:
    for wait in (0.6, 0.9, 1.2, 1.5):
        with subprocess.Popen(command("forget", "a1", "-w", str(workdir.root)), stderr=subprocess.DEVNULL) as process:
            time.sleep(wait)
            process.kill()
        assert _whole(workdir.profiles)
    forget(workdir, "a1")
    assert holding(workdir.root, '"a1"') == set()
    data = ListeningData(workdir.listening)
    assert data.users["user"].to_list() == list(range(10))
    with Profiles.open(workdir.profiles) as profiles:
        assert profiles.read(["a1", "a2"])[1] == ["a1"]


def test_readers_go_on_meanwhile(workdir: Workdir) -> None:
    with Profiles.open(workdir.profiles) as reading:
        assert reading.read([PERSON])[1] == []
        forget(workdir, PERSON)
        assert reading.read(["a1"])[1] == []
    with Profiles.open(workdir.profiles) as reading:
        assert reading.read([PERSON])[1] == [PERSON]


def _killed_while_writing(path: Path) -> None:
    program = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.executescript("PRAGMA cache_size = 1; BEGIN IMMEDIATE")
connection.execute("DELETE FROM users")
connection.execute("CREATE TABLE ballast AS SELECT randomblob(1000000)")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert path.with_name(f"{path.name}-journal").exists()


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.iterdump())


def _whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
