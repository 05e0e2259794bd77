"""The embedded index under stress: readers in many processes while one publishes, kills at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from colisten.errors import IndexStoreError
from colisten.serving.index.collection import EVERYTHING, new_name
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.index.layout import Layout
from colisten.serving.index.private_view import write_view
from colisten.serving.publishing import publish_items
from tests.serving.worlds import QUIET, random_items, vectors

READER = """
import sys
import tempfile
import threading
from pathlib import Path
import numpy as np
from colisten.serving.index.collection import EVERYTHING
from colisten.serving.index.embedded import EmbeddedIndex
root, seen, reads = Path(sys.argv[1]), set(), 0
users = np.random.default_rng(3).standard_normal((4, 16), dtype=np.float32)
while not (root / "stop").exists():
    collection = EmbeddedIndex(root, "colisten").open()
    hits = collection.search("towers", users, 20, EVERYTHING, collection.ef)
    assert (hits.items >= 0).all() and collection.count() == 1960, (collection.name, hits.items.tolist())
    seen.add(collection.name)
    reads += 1
    if reads % 2:
        collection.close()
    print("read", flush=True) if reads == 1 else None
print(len(seen))
"""
PUBLISHER = """
import sys
import tempfile
import threading
from pathlib import Path
from colisten.serving.index.collection import new_name
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.index.private_view import write_view
from colisten.serving.publishing import publish_items
from tests.serving.worlds import QUIET, random_items
index = EmbeddedIndex(Path(sys.argv[1]), "colisten")
index.clean()
print("go", flush=True)
name = new_name("colisten", index.ready())
publish_items(index, name, random_items(20_000, seed=1), QUIET, exact_up_to=500_000, keep=2)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def publish(root: Path, seed: int = 0, keep: int = 2) -> str:
    index = EmbeddedIndex(root, "colisten")
    index.clean()
    name = new_name("colisten", index.ready())
    publish_items(index, name, random_items(2000, seed=seed), QUIET, exact_up_to=10_000, keep=keep)
    return name


def test_what_other_readers_write_in_a_shard_is_no_damage(tmp_path: Path) -> None:
    name = publish(tmp_path)
    index = EmbeddedIndex(tmp_path, "colisten")
    done = threading.Event()

    def write() -> None:
        """As the engine does when it closes a shard."""
        while not done.is_set():
            folder = Path(tempfile.mkdtemp(prefix=".atomicwrite", dir=tmp_path / name / "shard"))
            (folder / "tmpfile.json").write_text("")
            shutil.rmtree(folder)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(50):
            index.clean()
            write_view(tmp_path / name / "shard", Path(tempfile.mkdtemp(dir=tmp_path)))
    finally:
        done.set()
        writer.join()
    assert index.ready() == [name]
    index.open()


@pytest.mark.slow
def test_many_processes_read_while_one_publishes_again_and_again(tmp_path: Path) -> None:
    publish(tmp_path)
    readers = [start(READER, tmp_path) for _ in range(3)]
    assert [reader.stdout.readline() for reader in readers if reader.stdout] == ["read\n"] * 3
    for seed in range(5):
        publish(tmp_path, seed, keep=1)
    (tmp_path / "stop").touch()
    for reader in readers:
        out, errors = reader.communicate(timeout=60)
        assert reader.returncode == 0, errors
        assert int(out) >= 2


@pytest.mark.slow
def test_a_killed_publish_leaves_the_old_one_live_and_is_cleaned(tmp_path: Path) -> None:
    name = publish(tmp_path)
    for seconds in (0.02, 0.3, 0.9):
        publisher = start(PUBLISHER, tmp_path)
        assert publisher.stdout is not None
        assert publisher.stdout.readline() == "go\n"
        time.sleep(seconds)
        publisher.send_signal(signal.SIGKILL)
        publisher.wait()
        index = EmbeddedIndex(tmp_path, "colisten")
        if index.live() == name:
            assert index.open().count() == 1960
    again = publish(tmp_path, keep=1)
    index = EmbeddedIndex(tmp_path, "colisten")
    assert (index.live(), index.ready()) == (again, [again])
    assert {path.name for path in tmp_path.iterdir()} == {again, "colisten.json", ".lock"}


def test_two_publishes_at_once_are_refused(tmp_path: Path) -> None:
    first = EmbeddedIndex(tmp_path, "colisten")
    with (
        first.draft(new_name("colisten", []), Layout({"towers": 4, "hgnn": 4}, (), hnsw=None)),
        pytest.raises(IndexStoreError, match="Another process is publishing"),
    ):
        publish(tmp_path)
    assert publish(tmp_path) == first.live()


@pytest.mark.slow
def test_a_reader_keeps_what_it_opened_when_the_folder_goes(tmp_path: Path) -> None:
    publish(tmp_path)
    collection = EmbeddedIndex(tmp_path, "colisten").open()
    publish(tmp_path, 1, keep=1)
    hits = collection.search("towers", vectors(2, 16, 3), 20, EVERYTHING, collection.ef)
    assert (hits.items >= 0).all()


def test_a_damaged_collection_is_one_sentence(tmp_path: Path) -> None:
    name = publish(tmp_path)
    for segment in (tmp_path / name / "shard" / "segments").rglob("segment.json"):
        segment.write_text("{")
    with pytest.raises(IndexStoreError, match="publish again"):
        EmbeddedIndex(tmp_path, "colisten").open()


def test_a_panic_of_the_engine_is_one_sentence(tmp_path: Path) -> None:
    """It is no `Exception` in Python; the file has its size, but other contents."""
    name = publish(tmp_path)
    for mappings in (tmp_path / name / "shard" / "segments").rglob("id_tracker.mappings"):
        mappings.write_bytes(b"\xff" * mappings.stat().st_size)
    with pytest.raises(IndexStoreError, match="publish again"):
        EmbeddedIndex(tmp_path, "colisten").open()


@pytest.mark.parametrize("name", ["matrix.dat", "segment.json", "ready.json"])
def test_a_damaged_collection_goes_with_the_next_publish(tmp_path: Path, name: str) -> None:
    """Nothing is left that a rollback would lead to."""
    whole, damaged = publish(tmp_path), publish(tmp_path, 1)
    for path in (tmp_path / damaged).rglob(name):
        os.truncate(path, path.stat().st_size // 2)
    fresh = publish(tmp_path, 2)
    assert EmbeddedIndex(tmp_path, "colisten").ready() == [whole, fresh]


TRAP = "import pathlib; pathlib.Path(r'{marker}').touch(); raise SystemExit('a file of the current folder was run')"


@pytest.fixture
def trap(tmp_path: Path) -> tuple[Path, Path]:
    """A folder whose files are called like modules, and what is there once one of them was run."""
    folder, marker = tmp_path / "here", tmp_path / "was run"
    folder.mkdir()
    for name in ("qdrant_edge", "colisten", "json", "runpy", "multiprocessing", "site", "sitecustomize"):
        (folder / f"{name}.py").write_text(TRAP.format(marker=marker))
    return folder, marker


def test_nothing_of_the_current_folder_is_run(
    trap: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trap[0])
    index = EmbeddedIndex(tmp_path / "index", "colisten")
    name = new_name("colisten", [])
    publish_items(index, name, random_items(100), QUIET, exact_up_to=1000, keep=1)
    assert not trap[1].exists()
    assert index.ready() == [name]


def test_no_child_of_the_command_runs_what_is_in_the_current_folder(trap: tuple[Path, Path]) -> None:
    program = """
import subprocess, sys
sys.argv = ["colisten", "--version"]
from colisten.cli.main import main
try:
    main()
finally:
    subprocess.run([sys.executable, "-c", "import json, multiprocessing"], check=True)
"""
    subprocess.run([sys.executable, "-P", "-c", program], cwd=trap[0], check=True, capture_output=True)
    assert not trap[1].exists()


@pytest.mark.parametrize("size", [0, 100])
def test_a_truncated_file_is_told_before_the_engine_meets_it(tmp_path: Path, size: int) -> None:
    """It would panic, or the process be killed for reading past the end of what it has mapped."""
    index = EmbeddedIndex(tmp_path / "index", "colisten")
    name = new_name("colisten", [])
    publish_items(index, name, random_items(100), QUIET, exact_up_to=1000, keep=1)
    files = [path for path in (tmp_path / "index" / name).rglob("*") if path.is_file() and path.stat().st_size > size]
    assert len(files) > 20
    for path in files[::4]:
        content = path.read_bytes()
        os.truncate(path, size)
        with suppress(IndexStoreError):
            assert index.open().count() == 98
            assert path.suffix == ".json", path
        path.write_bytes(content)
    assert index.open().count() == 98
