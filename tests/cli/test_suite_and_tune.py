"""The long measurements as a user calls them: the paper's comparison, then a search, in a folder without a graph."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from colisten.settings import Settings

from .conftest import QUICK, Colisten

SMALL = (*QUICK, "--set", "gnn.max_epochs=1", "--set", "gnn.edges_per_epoch=200", "--set", "evaluation.seeds=1")


def test_the_papers_comparison_then_a_search(colisten: Colisten, split: Path, tmp_path: Path) -> None:
    work = tmp_path / "W"
    refused = colisten("tune", "-w", work)
    assert refused.returncode == 6
    compared = colisten("evaluate", "--suite", "paper", "-w", work, "--split", split, "--json", *SMALL)
    assert compared.returncode == 0, compared.stderr
    figures = json.loads(compared.stdout)
    assert [row["variant"] for row in figures["rows"]["warm"]][:2] == ["Popularity", "LLM-KNN"]
    assert json.loads((work / "suite" / "paper.json").read_text()) == figures
    assert (work / "suite" / "paper.png").stat().st_size > 10_000
    assert Settings.load(kept=work / "settings.json").recipe == "default"
    found = colisten("tune", "-w", work, "--trials", "1", *SMALL)
    assert found.returncode == 0, found.stderr
    assert "Trials done: 1" in found.stderr
    for section, values in tomllib.loads(found.stdout).items():
        kept = getattr(Settings.load(kept=work / "settings.json"), section)
        assert {name: getattr(kept, name) for name in values} == values
    assert not (work / "neo4j").exists()
