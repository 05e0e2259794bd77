"""Estimates of a run: what is counted, what they grow with, and what doctor makes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import psutil
import pytest
from click.testing import CliRunner

from colisten.cli.health.room import check_room
from colisten.cli.main import cli
from colisten.listening.importing import import_data
from colisten.listening.sizes import DataSize, size_of, size_of_source
from colisten.listening.synth.world import make_world
from colisten.pipeline.plan import plan
from colisten.pipeline.stages import STAGES
from colisten.progress import Progress
from colisten.settings import GraphSettings, Settings
from colisten.workdir import Workdir

SIZE = DataSize(interactions=8_100_000, target=1_600_000, users=200_000, items=200_000, pairs=330_000_000)
SETTINGS = Settings(graph=GraphSettings(items_per_user=30))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Workdir]:
    """A made-up world, and a working folder that it was imported into."""
    root = tmp_path_factory.mktemp("plan")
    make_world(root / "world", users=150, audiobooks=40, podcasts=30, seed=3)
    folder = Workdir.open(root / "W", create=True)
    import_data(str(root / "world"), folder.listening, SETTINGS, Progress(quiet=True))
    return root / "world", folder


def test_a_source_and_its_import_are_counted_alike(world: tuple[Path, Workdir]) -> None:
    source, folder = world
    from colisten.listening.data import ListeningData

    events = pl.read_parquet(source / "interactions*.parquet")
    each = events.group_by("user_id").len()["len"].clip(upper_bound=30).cast(pl.Int64)
    books = pl.read_parquet(source / "items*.parquet").filter(pl.col("item_type") == "audiobook")
    expected = DataSize(
        len(events), len(events.join(books, on="item_id", how="semi")), events["user_id"].n_unique(), 70,
        int((each**2).sum()),
    )  # fmt: skip
    assert size_of_source(str(source), SETTINGS) == expected
    assert size_of(ListeningData(folder.listening), SETTINGS) == expected


def test_every_stage_is_estimated_and_nothing_shrinks_with_more_data() -> None:
    small = plan(SIZE, Settings())
    assert [one.stage for one in small.estimates] == [stage.name for stage in STAGES]
    large = plan(DataSize(*(4 * value for value in vars(SIZE).values())), Settings())
    for before, after in zip(small.estimates, large.estimates, strict=True):
        assert before.seconds <= after.seconds <= 4 * before.seconds
        assert before.memory <= after.memory <= 4 * before.memory
        assert before.disk <= after.disk <= 4 * before.disk


def test_memory_is_bounded_by_the_settings_that_bound_it() -> None:
    huge = replace(SIZE, interactions=10**10, pairs=10**12)
    found = {one.stage: one.memory / 2**20 for one in plan(huge, Settings()).estimates}
    assert found["listening"] < 2048 + 300
    assert found["edges"] < 2048 + 300
    assert plan(SIZE, Settings.load(["neo4j.uri=bolt://elsewhere:7687"])).neo4j == 0


def test_the_command_prints_rows_and_runs_nothing(world: tuple[Path, Workdir], tmp_path: Path) -> None:
    words = ["run", "--plan", "--data", str(world[0]), "--workdir", str(tmp_path / "W")]
    shown = CliRunner().invoke(cli, [*words, "--table"], env={"COLUMNS": "80"})
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.splitlines())) <= 80
    rows = [json.loads(line) for line in CliRunner().invoke(cli, [*words, "--json"]).stdout.splitlines()]
    assert [row["stage"] for row in rows] == [*(stage.name for stage in STAGES), "neo4j", "all"]
    assert rows[-1]["core_minutes"] == pytest.approx(sum(row["core_minutes"] for row in rows[:-1]), abs=0.6)
    assert not (tmp_path / "W").exists()
    nothing = CliRunner().invoke(cli, ["run", "--plan", "--workdir", str(tmp_path / "W")])
    assert nothing.exit_code


def test_doctor_warns_of_a_run_that_does_not_fit(world: tuple[Path, Workdir], monkeypatch: pytest.MonkeyPatch) -> None:
    assert {one.about: one.state for one in check_room(world[1], SETTINGS)} == {"memory": "ok", "room": "ok"}
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=1 << 30))
    found = {one.about: one for one in check_room(world[1], SETTINGS)}
    assert found["memory"].state == "warn"
    assert "towers" in found["memory"].todo


def test_more_processes_and_int8_vectors_take_more() -> None:
    usual = {one.stage: one for one in plan(SIZE, Settings()).estimates}
    words = ["gnn.devices=3", "towers.devices=2", "qdrant.quantization=int8"]
    found = {one.stage: one for one in plan(SIZE, Settings.load(words)).estimates}
    ratios = {name: found[name].memory / one.memory for name, one in usual.items()}
    assert (ratios["gnn"], ratios["towers"]) == (3, 2)
    assert 1 < ratios["index"] < 1.3 > found["index"].disk / usual["index"].disk > 1
    assert {ratio for name, ratio in ratios.items() if name not in ("gnn", "towers", "index")} == {1}
