"""Colisten's own evaluation and an independent judge agree, figure by figure."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.report import Report, evaluate
from colisten.progress import Progress

from . import worlds

SEGMENTS = {"all": "all", "warm": "warm", "cold": "cold", "tail items": "tail items", "new items": "unseen items"}
METRICS = {"hr": "hr@10", "ndcg": "ndcg@10", "mrr": "mrr@100", "recall": "recall@10"}


def judged(judge: Path, split: Path, recommendations: pl.DataFrame, folder: Path) -> tuple[dict[str, Any], str]:
    recommendations.write_parquet(folder / "recs.parquet")
    command = [sys.executable, judge, "score", split, folder / "recs.parquet", "--json"]
    output = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    *warnings, figures = output.strip().splitlines()
    return json.loads(figures), "\n".join(warnings)


def own(split: Path, recommendations: pl.DataFrame) -> Report:
    return evaluate(split, {"it": lambda *_: recommendations}, progress=Progress(quiet=True))[0]


def assert_same(report: Report, figures: dict[str, Any]) -> None:
    for row in figures["rows"]:
        segment = report.segments[SEGMENTS[row["segment"]]]
        assert segment["users"] == row["users"]
        for theirs, ours in METRICS.items():
            assert segment["it"][ours]["mean"] == pytest.approx(row[theirs], abs=5.1e-5), (row["segment"], ours)
        assert segment["it"]["hr@10"]["se"] == pytest.approx(row["se"], abs=5.1e-5)
    assert len(report.segments) >= len(figures["rows"])
    for depth in (10, 100):
        assert report.scores["it"].lists[f"coverage@{depth}"] == pytest.approx(figures[f"coverage{depth}"], abs=5.1e-5)


def random_lists(split: Path, folder: Path) -> pl.DataFrame:
    return worlds.random_lists(split, seed=1)


def popular_lists(split: Path, folder: Path) -> pl.DataFrame:
    data = worlds.import_split(split, folder / "listening", "target=movie", "signals.weak=follow")
    users = (split / "users.csv").read_text().split()
    return Popularity().fit(data).recommend(users, 100, "movie")


@pytest.mark.parametrize("lists", [random_lists, popular_lists])
def test_same_figures_on_a_real_split(
    lists: Callable[[Path, Path], pl.DataFrame], shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    judge, anime = shared_data("judge.py"), shared_data("data/anime/split")
    recommendations = lists(anime, tmp_path)
    report = own(anime, recommendations)
    figures, warnings = judged(judge, anime, recommendations, tmp_path)
    assert_same(report, figures)
    again = report.scores["it"].faults.heard
    assert warnings == (f"! {again} recommendations were already streamed by the user" if again else "")


@pytest.mark.parametrize("seed", range(4))
def test_same_figures_on_random_splits(seed: int, shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    split = worlds.random_split(tmp_path / "split", seed)
    recommendations = worlds.random_lists(split, seed, depth=8)
    figures, _ = judged(shared_data("judge.py"), split, recommendations, tmp_path)
    assert_same(own(split, recommendations), figures)
