"""What goes wrong is one sentence and an exit code; what was there before still is."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from colisten.workdir import FORMAT, write_json
from tests.cli.conftest import Colisten

Spoil = Callable[[Path], None]


def rewrite(table: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / f"{table}.parquet"
        change(pl.read_parquet(path)).write_parquet(path)

    return spoil


def emptied(folder: Path) -> None:
    (folder / "interactions.parquet").write_bytes(b"")


SPOILT = {
    "missing column": (rewrite("interactions", lambda rows: rows.drop("user_id")), "user_id"),
    "wrong type": (rewrite("interactions", lambda rows: rows.with_columns(timestamp=pl.lit("noon"))), "timestamp"),
    "no rows": (rewrite("interactions", lambda rows: rows.clear()), "interactions"),
    "empty file": (emptied, "interactions"),
    "conflicting items": (
        rewrite("items", lambda rows: pl.concat([rows, rows.with_columns(title=pl.lit("another"))])),
        "item_id",
    ),
    "unknown signal": (rewrite("interactions", lambda rows: rows.with_columns(signal=pl.lit("hum"))), "'hum'"),
    "no items": (lambda folder: (folder / "items.parquet").unlink(), "items"),
}


def one_sentence(result: subprocess.CompletedProcess[str], code: int) -> str:
    assert result.returncode == code, result.stderr
    said = result.stderr.strip().splitlines()[-1]
    assert said.startswith("Error: ")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return said


@pytest.mark.parametrize("fault", SPOILT)
def test_data_that_cannot_be_used(fault: str, split: Path, colisten: Colisten, tmp_path: Path) -> None:
    spoil, named = SPOILT[fault]
    source, workdir = tmp_path / "data", tmp_path / "W"
    shutil.copytree(split / "train", source)
    spoil(source)
    said = one_sentence(colisten("run", "--data", source, "--workdir", workdir), 3)
    assert named in said
    assert {path.name for path in workdir.iterdir()} <= {"colisten.json", ".lock"}


def test_bad_rows_and_odd_ids_stop_nothing(split: Path, colisten: Colisten, tmp_path: Path) -> None:
    source, workdir = tmp_path / "data", tmp_path / "W"
    shutil.copytree(split / "train", source)
    odd = "o'Brien\"}) DETACH DELETE n //"
    broken = pl.read_parquet(source / "interactions.parquet").head(3).with_columns(item_id=pl.lit("nowhere"))
    named = pl.read_parquet(source / "interactions.parquet").head(5).with_columns(user_id=pl.lit(odd))
    rewrite("interactions", lambda rows: pl.concat([rows, broken, named]))(source)
    done = colisten("data", "import", "--data", source, "--workdir", workdir)
    assert done.returncode == 0, done.stderr
    assert "Set aside 3 rows" in done.stderr
    assert odd in pl.read_parquet(workdir / "listening/users.parquet")["user_id"]


def test_no_folder_to_read(colisten: Colisten, tmp_path: Path) -> None:
    one_sentence(colisten("run", "--data", tmp_path / "none", "--workdir", tmp_path / "W"), 3)


def test_settings_that_do_not_exist(split: Path, colisten: Colisten, tmp_path: Path) -> None:
    said = one_sentence(colisten("run", "--data", split / "train", "-w", tmp_path / "W", "--set", "gnn.dmi=3"), 2)
    assert "gnn.dim" in said


def test_a_folder_of_another_version(colisten: Colisten, tmp_path: Path) -> None:
    write_json(tmp_path / "colisten.json", {"format": FORMAT + 1})
    assert "version" in one_sentence(colisten("recommend", "u", "--workdir", tmp_path), 6)


def test_nothing_is_there_yet(colisten: Colisten, tmp_path: Path) -> None:
    one_sentence(colisten("recommend", "u", "--workdir", tmp_path / "none"), 6)


def _graph(colisten: Colisten, split: Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    imported = colisten("data", "import", "--data", split / "train", "--workdir", folder)
    assert imported.returncode == 0, imported.stderr
    return colisten("graph", "build", "--workdir", folder, **variables)


def test_neo4j_out_of_reach(split: Path, colisten: Colisten, tmp_path: Path) -> None:
    nowhere = {"COLISTEN_NEO4J_URI": "bolt://127.0.0.1:9", "COLISTEN_NEO4J_PASSWORD": "hush"}
    assert "hush" not in one_sentence(_graph(colisten, split, tmp_path / "W", **nowhere), 4)


def test_a_wrong_password(split: Path, colisten: Colisten, tmp_path: Path) -> None:
    said = one_sentence(_graph(colisten, split, tmp_path / "W", COLISTEN_NEO4J_PASSWORD="not-this-one"), 4)
    assert "not-this-one" not in said


def test_a_port_that_is_taken(split: Path, colisten: Colisten, tmp_path: Path) -> None:
    managed = Colisten({name: value for name, value in os.environ.items() if "NEO4J" not in name})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in one_sentence(_graph(managed, split, tmp_path / "W", COLISTEN_NEO4J_BOLT_PORT=port), 4)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs rights that this user has not")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk(split: Path, colisten: Colisten, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(900_000))
    said = one_sentence(colisten("data", "import", "--data", split / "train", "--workdir", small_disk / "W"), 7)
    assert "disk" in said
    assert not (small_disk / "W/listening").exists()
