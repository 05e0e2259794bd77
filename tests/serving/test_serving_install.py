"""An installation without the extra `train` answers: what it needs is what pyproject.toml declares, and no more."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

from colisten.extras import TRAIN
from colisten.listening.data import ListeningData
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.serving.worlds import served

World = tuple[Workdir, ListeningData, Settings]
ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAIN = "from colisten.cli.main import main; main()"


def closure(requirements: list[str]) -> Iterator[str]:
    """Distributions that these requirements lead to, with the extras that they name."""
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(word), extra) for word in requirements for extra in ("", *Requirement(word).extras)]
    while waiting:
        requirement, extra = waiting.pop()
        if (requirement.name, extra) in seen:
            continue
        seen.add((requirement.name, extra))
        yield requirement.name
        for word in distribution(requirement.name).requires or []:
            needed = Requirement(word)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed, inner) for inner in ("", *needed.extras)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to the packages of such an installation."""
    folder = tmp_path_factory.mktemp("packages")
    for name in {"colisten", *closure(PROJECT["dependencies"])}:
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            link, target = folder / top, Path(str(found.locate_file(top)))
            if target.exists() and not link.exists():
                link.symlink_to(target)
    for editable in folder.glob("*colisten*.pth"):
        editable.unlink()
    return folder


def words(*command: str) -> list[str]:
    return [sys.executable, "-S", "-c", MAIN, *command]


def environment(packages: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)])}


def colisten(packages: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words(*command), env=environment(packages), capture_output=True, text=True, check=False, timeout=300
    )


def test_the_extra_is_what_answering_does_without(packages: Path) -> None:
    assert [module for module in TRAIN if (packages / module).exists()] == []


def test_it_answers_and_says_what_it_lacks(packages: Path, world: World) -> None:
    folder = str(world[0].root)
    for command in (
        ["recommend", "u5", "-w", folder, "-k", "3", "--json"],
        ["recommend", "u5", "-w", folder, "-k", "2", "--why", "--json"],
        ["similar", "Title 3", "-w", folder, "--across", "--json"],
    ):
        done = colisten(packages, *command)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[0])["item_id"]
    done = colisten(packages, "doctor", "-w", folder, "--json")
    found = {row["about"]: row["found"] for row in map(json.loads, done.stdout.splitlines())}
    assert found["training"].startswith("not installed")
    assert not any("Error" in each for each in found.values()), found
    for command in (["run", "-w", folder, "--data", folder], ["search", "ice", "-w", folder], ["demo"]):
        refused = colisten(packages, *command)
        assert refused.returncode == 2
        assert re.fullmatch(r"Error: This needs .*, which comes with the extra 'train': .*\n", refused.stderr)


def test_it_serves(packages: Path, world: World) -> None:
    command = words("serve", "-w", str(world[0].root), "--set", "serve.port=0")
    with subprocess.Popen(command, env=environment(packages), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        try:
            (address,) = re.findall(r"http://\S+", line)
            answer = httpx.get(f"{address}/recommend?user=u5&why=true", timeout=180).json()
            assert len(answer["items"]) == 10
            refused = httpx.get(f"{address}/search?q=ice")
            assert "extra 'train'" in refused.json()["error"]
            assert not httpx.get(f"{address}/readyz").json()["search"]
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.mark.slow
def test_it_forgets(packages: Path, tmp_path: Path) -> None:
    workdir, _, _ = served(tmp_path / "W")
    done = colisten(packages, "forget", "u5", "-w", str(workdir.root))
    assert done.returncode == 0, done.stderr
    assert "profiles.sqlite" in done.stdout
