"""Where each value came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from colisten.cli.config import config
from colisten.workdir import write_json


def test_every_value_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "W/settings.json", {"target": "podcast", "seed": 1, "recipe": "paper"})
    Path("colisten.toml").write_text("[gnn]\ndim = 9\nprefetch = 2\n")
    monkeypatch.setenv("COLISTEN_GNN_DIM", "10")
    monkeypatch.setenv("COLISTEN_NEO4J_PASSWORD", "hush")
    answer = CliRunner().invoke(config, ["--workdir", "W", "--set", "seed=4", "--json"], catch_exceptions=False)
    rows = {row["key"]: row for row in map(json.loads, answer.stdout.splitlines())}
    assert {key: (rows[key]["value"], rows[key]["from"]) for key in ("seed", "gnn.dim", "gnn.prefetch", "target")} == {
        "seed": (4, "--set"),
        "gnn.dim": (10, "environment"),
        "gnn.prefetch": (2, "colisten.toml"),
        "target": ("podcast", "folder"),
    }
    assert (rows["gnn.loss"]["from"], rows["graph.items_per_user"]["from"]) == ("recipe paper", "default")
    assert all(row["means"] for key, row in rows.items() if "." not in key and key != "seed")
    assert "hush" not in answer.stdout
    assert rows["neo4j.password"]["value"] == "set"
