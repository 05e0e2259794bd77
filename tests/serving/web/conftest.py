"""The server as a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from colisten.listening.data import ListeningData
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.cli.conftest import command


@contextmanager
def serving(workdir: Path, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address, once it answers, and the process."""
    words = command("serve", "--workdir", str(workdir), "--set", "serve.port=0")
    with subprocess.Popen(words, env=os.environ | variables, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line + process.stderr.read()
        try:
            httpx.get(f"{found[0]}/health", timeout=180).raise_for_status()  # it waits until the server is up
            yield found[0], process
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def address(
    world: tuple[Workdir, ListeningData, Settings], with_graph: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server over a copy of the served folder, since whoever asks may write, with its graph."""
    copy = shutil.copytree(world[0].root, tmp_path_factory.mktemp("served") / "W")
    neo4j = with_graph.neo4j
    assert neo4j.uri is not None
    assert neo4j.password is not None
    variables = {"URI": neo4j.uri, "USER": neo4j.user, "PASSWORD": neo4j.password.get_secret_value()}
    with serving(copy, **{f"COLISTEN_NEO4J_{name}": value for name, value in variables.items()}) as (found, _):
        yield found
