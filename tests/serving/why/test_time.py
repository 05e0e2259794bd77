"""A reason may cost three times the plain answer, not more."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

from colisten.listening.data import ListeningData
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.cli.conftest import command

World = tuple[Workdir, ListeningData, Settings]
ROUNDS = 4


def processor_seconds(words: list[str], environment: dict[str, str]) -> float:
    """Of the whole process, whatever else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command(*words), env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_reasons_take_no_more_than_three_times_the_plain_call(world: World, with_graph: Settings) -> None:
    neo4j = with_graph.neo4j
    assert neo4j.uri is not None
    assert neo4j.password is not None
    environment = os.environ | {
        "COLISTEN_NEO4J_URI": neo4j.uri,
        "COLISTEN_NEO4J_PASSWORD": neo4j.password.get_secret_value(),
        "OMP_NUM_THREADS": "1",
    }
    plain = ["recommend", "u5", "--workdir", str(Path(world[0].root)), "--json"]
    pairs = [
        (processor_seconds(plain, environment), processor_seconds([*plain, "--why"], environment))
        for _ in range(ROUNDS)
    ]
    least, why = (min(times) for times in zip(*pairs, strict=True))
    assert why < 3 * least, pairs
