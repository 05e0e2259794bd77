"""What a quick command must not import; `benchmarks/cli.py` has the times."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

import pytest

from colisten.listening.data import ListeningData
from colisten.settings import Settings
from colisten.workdir import Workdir

_CALL = """
import json, sys
from colisten.cli.main import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
HEAVY = {"torch", "lightning", "torch_geometric", "sentence_transformers", "numba", "scipy", "polars", "duckdb", "ibis",
         "pyarrow", "pandas", "qdrant_client", "neo4j", "httpx", "asyncio", "rich"}  # fmt: skip


def imported(words: Iterable[object]) -> set[str]:
    """Packages that a call had imported when it ended."""
    call = [sys.executable, "-c", _CALL, *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def test_help_imports_nothing_but_click() -> None:
    assert not imported(["--help"]) & (HEAVY | {"numpy", "pydantic"})


@pytest.mark.parametrize("words", [["recommend", "u5"], ["recommend", "--likes", "Title 2"], ["similar", "Title 2"]])
def test_an_answer_imports_neither_torch_nor_tables(
    words: list[str], world: tuple[Workdir, ListeningData, Settings]
) -> None:
    assert imported([*words, "--json", "--workdir", world[0].root]) & HEAVY == set()
