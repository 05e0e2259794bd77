"""The command as a user runs it, on a small made-up world with three item types."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from colisten.graph_store.endpoint import Endpoint
from colisten.listening.split import ByDays, split_data
from colisten.listening.synth.world import make_world, podcast_type
from colisten.settings import Settings

QUICK = ("--set", "gnn.max_epochs=2", "--set", "towers.epochs=2", "--set", "gnn.dim=16", "--set", "towers.hidden=64")


def command(*words: str) -> list[str]:
    """The words of one call, for a process of its own."""
    return [sys.executable, "-c", "from colisten.cli.main import main; main()", *words]


@dataclass(frozen=True)
class Colisten:
    """The command in a user's environment; stdout and stderr are kept apart."""

    environment: dict[str, str]

    def __call__(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment | variables
        return subprocess.run(command(*map(str, words)), env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def colisten(neo4j_endpoint: Endpoint) -> Colisten:
    """The tests' Neo4j is the server to use."""
    return Colisten(os.environ | {
        "COLISTEN_NEO4J_URI": neo4j_endpoint.uri,
        "COLISTEN_NEO4J_USER": neo4j_endpoint.user,
        "COLISTEN_NEO4J_PASSWORD": neo4j_endpoint.password.get_secret_value(),
    })  # fmt: skip


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three item types: audiobooks, podcasts and, with no line of code of its own, courses."""
    folder = tmp_path_factory.mktemp("world")
    courses = replace(podcast_type(40), name="course")
    make_world(folder / "world", users=400, audiobooks=90, podcasts=60, more_types=[courses], seed=3)
    split_data(str(folder / "world"), folder / "split", Settings(), ByDays(14))
    return folder / "split"
