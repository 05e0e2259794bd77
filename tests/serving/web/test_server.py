"""The server as a process: everything its description allows, stopping in good order, a publish meanwhile."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from colisten.listening.data import ListeningData
from colisten.serving.index.opening import open_index
from colisten.serving.publishing import publish
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.cli.conftest import command
from tests.serving.web.conftest import serving
from tests.serving.worlds import QUIET, served

World = tuple[Workdir, ListeningData, Settings]


SCHEMATHESIS = "import sys; from schemathesis.cli import schemathesis; schemathesis(prog_name='schemathesis')"


@pytest.mark.parametrize(
    "known", ["", '[parameters]\nitem = "Title 3"\nuser = "u5"\n'], ids=["anything", "what is there"]
)
def test_schemathesis_finds_nothing(address: str, tmp_path: Path, known: str) -> None:
    """The edges of every parameter and random requests, valid and not; then about an item and a user that exist."""
    (tmp_path / "schemathesis.toml").write_text(known)
    httpx.get(f"{address}/search?q=any", timeout=180).raise_for_status()  # loads the encoder
    words = ["run", f"{address}/openapi.json", "--max-examples", "15", "--no-color", "--seed", "7"]
    phases = ["--phases", "fuzzing"] if known else []
    done = subprocess.run(
        [sys.executable, "-c", SCHEMATHESIS, *words, *phases], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    generated, passed = re.findall(r"(\d+) generated, (\d+) passed", done.stdout)[0]
    assert generated == passed
    assert ("Missing test data" in done.stdout) == (not known), "whatever exists is really asked for"


@pytest.mark.slow
def test_waiting_requests_are_answered_before_it_stops(world: World) -> None:
    with serving(world[0].root) as (address, process):
        with ThreadPoolExecutor(8) as askers:
            answers = [askers.submit(httpx.get, f"{address}/recommend?k=100", timeout=30) for _ in range(30)]
            while not any(answer.done() for answer in answers):
                time.sleep(0.001)
            received = _received(httpx.get(f"{address}/metrics").text)
            process.send_signal(signal.SIGTERM)
            outcomes = [answer.exception() or answer.result().status_code for answer in answers]
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == "Stopped.\n"
    assert outcomes.count(200) >= received > 0, (outcomes, received)
    # a request that the server had not read yet is refused, reset or closed: by the system or as an idle connection
    assert all(outcome == 200 or isinstance(outcome, httpx.TransportError) for outcome in outcomes), outcomes


def _received(metrics: str) -> int:
    """Requests for recommendations that are answered or wait in the queue."""
    counts = re.findall(r'^(?:colisten_requests_total\{route="/recommend".*\}|colisten_waiting) (\d+)', metrics, re.M)
    return sum(map(int, counts))


@pytest.mark.slow
def test_a_publish_is_seen_without_a_restart(tmp_path: Path) -> None:
    workdir, data, settings = served(tmp_path / "W")
    before = open_index(workdir, settings).live()
    with serving(workdir.root) as (address, _):
        assert httpx.get(f"{address}/health").json()["index"] == before
        publish(workdir, data, settings, QUIET)
        deadline = time.monotonic() + 20
        while (seen := httpx.get(f"{address}/health").json()["index"]) == before:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert seen == open_index(workdir, settings).live()
        assert httpx.get(f"{address}/recommend?user=u5").json()["items"]


def test_without_an_index_the_server_does_not_start(tmp_path: Path) -> None:
    Workdir.open(tmp_path / "W", create=True)
    done = subprocess.run(command("serve", "-w", str(tmp_path / "W")), capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert re.fullmatch(r"Error: .*colisten run.*\n", done.stderr)
