"""A working folder that another user may only read, as a read-only mount is, serves answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from colisten.listening.data import ListeningData
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.cli.conftest import command

_AS_OTHERS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
"""Takes from root what lets it write everywhere."""

ASKED = ("recommend", "u5", "-k", "10", "--json", "--workdir")


@pytest.fixture
def read_only(world: tuple[Workdir, ListeningData, Settings], tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "W"
    shutil.copytree(world[0].root, copy)
    paths = [copy, *copy.rglob("*")]
    for path in reversed(paths):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield copy
    for path in paths:
        path.chmod(0o755)


def ended(*words: str) -> subprocess.CompletedProcess[str]:
    if os.getuid() == 0 and not shutil.which(_AS_OTHERS[0]):
        pytest.skip("root may write everywhere, and setpriv is not there to take that from it")
    before = _AS_OTHERS if os.getuid() == 0 else []
    return subprocess.run([*before, *command(*words)], capture_output=True, text=True, check=False)


def state(folder: Path) -> dict[str, tuple[int, int]]:
    found = {path: path.stat() for path in folder.rglob("*")}
    return {str(path): (each.st_size, each.st_mtime_ns) for path, each in found.items()}


def test_answers_are_given_and_nothing_is_written(
    world: tuple[Workdir, ListeningData, Settings], read_only: Path
) -> None:
    before = state(read_only)
    for words in (("recommend", "u5", "-k", "5"), ("similar", "Title 3", "-k", "5")):
        ours, theirs = (ended(*words, "--json", "--workdir", str(folder)) for folder in (world[0].root, read_only))
        assert theirs.returncode == 0, theirs.stderr
        assert theirs.stdout == ours.stdout
    assert state(read_only) == before


@pytest.mark.parametrize("open_meanwhile", [False, True])
def test_events_are_known_there_too(
    world: tuple[Workdir, ListeningData, Settings], read_only: Path, *, open_meanwhile: bool
) -> None:
    """Also while somebody else, who may, holds the log with some of it in its write-ahead log alone."""
    writable = read_only.with_name("writable")
    shutil.copytree(world[0].root, writable)
    items = [json.loads(line)["item_id"] for line in ended(*ASKED, str(writable)).stdout.splitlines()]
    with EventStore.create(writable / "events.sqlite") as store, store.transaction():
        store.add([Event("u5", items[0], "stream", 2_000_000_000)])
    read_only.chmod(0o755)
    shutil.copy(writable / "events.sqlite", read_only)
    with EventStore.create(read_only / "events.sqlite") as store:
        with store.transaction():
            store.add([Event("u5", items[1], "stream", 2_000_000_000)])
        if not open_meanwhile:
            store.close()
        read_only.chmod(0o555)
        answer = ended(*ASKED, str(read_only))
        assert answer.returncode == 0, answer.stderr
        found = [json.loads(line)["item_id"] for line in answer.stdout.splitlines()]
        assert len(found) == 10
        assert not set(items[:2]) & set(found)


def test_who_may_not_write_is_told_so(read_only: Path) -> None:
    done = ended("index", "publish", "--workdir", str(read_only))
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)
    assert "may not" in done.stderr
