"""Damaged files and records: seen, told, made anew."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import SettingsError, WorkdirError
from colisten.listening.data import ListeningData
from colisten.pipeline.records import all_damage, changing, read_record
from colisten.pipeline.stage import Context, Stage, files_in, run_stages
from colisten.pipeline.stages import STAGES
from colisten.progress import Progress
from colisten.serving.index.opening import open_index
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.text.cache import TextCache, digest
from colisten.workdir import Workdir, write_json
from tests.cli.conftest import command
from tests.listening.sources import Importer, event

SPOILT: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "emptied": lambda path: os.truncate(path, 0),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
}
QUIET = Progress(quiet=True)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Workdir.open(tmp_path / "W", create=True), Settings(), QUIET, "")


def written(context: Context, name: str = "bread") -> Stage:
    """A stage that writes two files and counts how often."""
    folder = context.workdir.root / name

    def run(_: Context) -> str:
        folder.mkdir(exist_ok=True)
        (folder / "loaf.bin").write_bytes(b"0123456789")
        (folder / "about.json").write_text('{"a": 1, "b": 2}')
        return "baked"

    return Stage(name, name, (), (), run, lambda _: True, files=files_in(f"{name}/*"))


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("name", ["loaf.bin", "about.json"])
def test_damaged_output_is_made_anew(context: Context, fault: str, name: str) -> None:
    stage = written(context)
    assert run_stages([stage], context) == ["bread"]
    assert run_stages([stage], context) == []
    SPOILT[fault](context.workdir.root / "bread" / name)
    assert name in all_damage(context.workdir)[0]
    assert run_stages([stage], context) == ["bread"]
    assert all_damage(context.workdir, deep=True) == []


def test_contents_are_compared_where_asked_for(context: Context) -> None:
    run_stages([written(context)], context)
    loaf, about = (context.workdir.root / "bread" / name for name in ("loaf.bin", "about.json"))
    about.write_text('{"b": 2, "a": 1}')
    assert all_damage(context.workdir, deep=True) == [], "JSON is its values"
    loaf.write_bytes(b"0123456780")
    assert all_damage(context.workdir) == []
    assert all_damage(context.workdir, deep=True) == [f"{loaf} has other contents than were written"]


def test_a_change_that_is_meant_is_no_damage(context: Context) -> None:
    workdir, stage = context.workdir, written(context)
    run_stages([stage], context)
    loaf, about = (workdir.root / "bread" / name for name in ("loaf.bin", "about.json"))
    before = read_record(workdir, "bread")
    with pytest.raises(RuntimeError), changing(workdir, "bread", lambda: "rye"):
        raise RuntimeError
    assert read_record(workdir, "bread") == before
    with changing(workdir, "bread", lambda: "rye"):
        loaf.write_bytes(b"another")
        killed = read_record(workdir, "bread")
        assert all_damage(workdir, deep=True) == []
    assert all_damage(workdir, deep=True) == []
    assert read_record(workdir, "bread")["digest"] == "rye"
    write_json(workdir.stages / "bread.json", killed)
    assert run_stages([stage], context) == [], "a kill in the change does not undo it"
    assert killed["digest"] not in (None, "baked", "rye"), "but what was made from it is made anew"
    with changing(workdir, "bread", lambda: "rye"):
        loaf.write_bytes(b"a third")
    about.write_text("{")
    with changing(workdir, "bread"):
        loaf.write_bytes(b"a fourth")
    assert all_damage(workdir) == [f"{about} has 1 bytes instead of 16"], "what was damaged before stays so"


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"fingerprint": "x"'])
def test_a_record_that_cannot_be_read_is_none(context: Context, content: str) -> None:
    stage = written(context)
    run_stages([stage], context)
    (context.workdir.stages / "bread.json").write_text(content)
    assert read_record(context.workdir, "bread") == {}
    assert run_stages([stage], context) == ["bread"]


def test_settings_come_back_from_their_copy(context: Context) -> None:
    run_stages([written(context)], replace(context, settings=Settings(target="podcast")))
    for fault in ("emptied", "truncated"):
        SPOILT[fault](context.workdir.settings)
        assert Settings.load(kept=context.workdir.settings).target == "podcast"
    os.truncate(context.workdir.stages / "settings.json", 3)
    with pytest.raises(SettingsError, match="is damaged"):
        Settings.load(kept=context.workdir.settings)


@pytest.mark.parametrize("content", ["", '{"form', "[]"])
def test_a_damaged_stamp_is_written_anew_by_a_run(context: Context, content: str) -> None:
    (context.workdir.root / "colisten.json").write_text(content)
    with pytest.raises(WorkdirError, match="colisten run"):
        Workdir.open(context.workdir.root)
    Workdir.open(context.workdir.root, create=True)
    Workdir.open(context.workdir.root)


def test_damaged_imports_are_imported_again(tmp_path: Path) -> None:
    importer = Importer(tmp_path).write([event(user_id=user) for user in "ab"])
    context = Context(Workdir.open(tmp_path / "W", create=True), Settings(), QUIET, str(importer.source))
    stages = [stage for stage in STAGES if stage.name in ("listening", "profiles")]
    run_stages(stages, context)
    before = ListeningData(context.workdir.listening).digest()
    damaged = [path for path in context.workdir.listening.iterdir() if path.is_file()] + [context.workdir.profiles]
    for path, spoil in zip(damaged, cycle(SPOILT.values()), strict=False):
        spoil(path)
        assert run_stages(stages, context)
        assert ListeningData(context.workdir.listening).digest() == before
    assert run_stages(stages, context) == []


def test_what_a_command_cannot_read_is_told_by_the_file(tmp_path: Path) -> None:
    importer = Importer(tmp_path).write([event()])
    workdir = Workdir.open(tmp_path / "W", create=True)
    run_stages(STAGES[:1], Context(workdir, Settings(), QUIET, str(importer.source)))
    users = workdir.listening / "users.parquet"
    whole = users.read_bytes()
    for damaged, says in (
        (whole[:100], "users.parquet has 100 bytes instead of"),
        (bytes(len(whole)), "users.parquet has other contents than were written: remove it"),
    ):
        users.write_bytes(damaged)
        call = command("forget", "u", "--workdir", str(workdir.root))
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 6
        assert done.stderr.count("\n") == 1
        assert says in done.stderr


@pytest.mark.parametrize("name", ["items.safetensors", "spec.json", "payload_index.safetensors"])
def test_a_user_encoder_that_is_damaged_is_told_and_published_anew(
    world: tuple[Workdir, ListeningData, Settings], tmp_path: Path, name: str
) -> None:
    """Whether or not it is on record: after a rollback it is that of an earlier publish."""
    workdir, settings = Workdir.open(Path(shutil.copytree(world[0].root, tmp_path / "W"))), world[2]
    (index,) = (stage for stage in STAGES if stage.name == "index")
    context = Context(workdir, settings, QUIET, "")
    assert index.output_exists(context)
    live = open_index(workdir, settings).live()
    for size in (100, 0):
        os.truncate(workdir.index / f"towers/{live}" / name, size)
        with pytest.raises(WorkdirError, match=f"{name} is damaged"):
            Recommender.open(workdir, settings)
        assert not index.output_exists(context)


def test_a_damaged_cache_of_texts_is_begun_anew(tmp_path: Path) -> None:
    path, keys = tmp_path / "text.sqlite", [digest(str(text)) for text in range(2000)]
    vectors = np.ones((len(keys), 8), np.float32)
    with TextCache.open(path, "e") as cache:
        cache.add(keys, vectors)
    whole = tmp_path / "whole.sqlite"
    shutil.copy(path, whole)
    for size in (0, 100, 5000, path.stat().st_size // 2):
        shutil.copy(whole, path)
        os.truncate(path, size)
        with TextCache.open(path, "e") as cache:
            cache.add([keys[i] for i in cache.missing(keys)], vectors[: len(cache.missing(keys))])
            assert (cache.vectors(keys, 8) == 1).all()
