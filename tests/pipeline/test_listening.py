"""The stage `listening`, with and without data given, and events in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from colisten.cli.main import cli
from colisten.errors import DataError
from colisten.listening.data import ListeningData
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore
from colisten.pipeline import listening, profiles
from colisten.pipeline.records import read_record
from colisten.pipeline.stage import Context, run_stages
from colisten.progress import Progress
from colisten.serving.profiles import Profiles
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.listening.sources import ITEMS, event

STAGES = (listening.STAGE, profiles.STAGE)


@pytest.fixture
def given(tmp_path: Path) -> Context:
    """A run with data; `replace(given, source="")` is one without."""
    source = tmp_path / "source"
    source.mkdir()
    pl.DataFrame(ITEMS).write_parquet(source / "items.parquet")
    pl.DataFrame([event(), event(user_id="v", timestamp=2)]).write_parquet(source / "interactions.parquet")
    context = Context(Workdir.open(tmp_path / "W", create=True), Settings(), Progress(quiet=True), str(source))
    assert run_stages(STAGES, context) == ["listening", "profiles"]
    return context


def post(context: Context, *events: Event) -> None:
    with EventStore.create(context.workdir.events) as store, store.transaction():
        store.add(events)


def digest(context: Context) -> str:
    return str(read_record(context.workdir, "listening")["digest"])


def test_a_run_without_data_takes_in_what_was_posted(given: Context) -> None:
    later = replace(given, source="")
    assert run_stages(STAGES, later) == []
    post(given, Event("w", "show", "stream", 5))
    assert run_stages(STAGES, later) == ["listening", "profiles"]
    assert run_stages(STAGES, later) == []
    assert ListeningData(given.workdir.listening).users["user_id"].to_list() == ["u", "v", "w"]
    with Profiles.open(given.workdir.profiles) as found:
        assert found.facts.events == 1
    assert run_stages(STAGES, given) == [], "nor does the same data given again change anything"

    before = digest(given)
    exported = [
        event(),
        event(user_id="v", timestamp=2),
        event(user_id="w", item_id="show", item_type="podcast", timestamp=5),
    ]
    pl.DataFrame(exported).write_parquet(Path(given.source) / "interactions.parquet")
    assert run_stages(STAGES, given)[0] == "listening"
    assert ListeningData(given.workdir.listening).summary["counts"]["interactions"] == 3
    assert digest(given) != before, "the files know its value"


def test_who_was_forgotten_stays_forgotten(given: Context) -> None:
    post(given, Event("u", "show", "stream", 5), Event("w", "show", "stream", 5))
    words = ["forget", "u", "--workdir", str(given.workdir.root)]
    assert '"events.sqlite", "rows": 1' in CliRunner().invoke(cli, words, catch_exceptions=False).stdout
    run_stages(STAGES, replace(given, source=""))
    assert ListeningData(given.workdir.listening).users["user_id"].to_list() == ["v", "w"]


def test_without_data_one_cannot_go_on_from_everything(given: Context, tmp_path: Path) -> None:
    nothing = replace(given, source="", workdir=Workdir.open(tmp_path / "other", create=True))
    with pytest.raises(DataError, match="that a run could go on from: name it with --data"):
        run_stages(STAGES, nothing)
    other = replace(given, source="", settings=Settings.load(["signals.weak=follow"]))
    with pytest.raises(DataError, match="read under other settings"):
        run_stages(STAGES, other)
    users = given.workdir.listening / "users.parquet"
    users.write_bytes(users.read_bytes()[:100])
    with pytest.raises(DataError, match=r"users\.parquet has 100 bytes instead of .*: name the data again"):
        run_stages(STAGES, replace(given, source=""))
    assert run_stages(STAGES, given)[0] == "listening"
