"""Recommenders side by side: the whole of `colisten evaluate` on a small split."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from safetensors.numpy import save_file

from colisten.errors import SettingsError
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.registry import NAMES, fit_baselines, make_baselines
from colisten.evaluation.report import Report, evaluate
from colisten.evaluation.run import evaluate_workdir
from colisten.evaluation.scores import ItemVectors
from colisten.evaluation.table import accuracy_table, differences_table, lists_table
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir

from . import worlds

QUIET = Progress(quiet=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """An oracle that knows what is hidden, and every baseline."""
    folder = tmp_path_factory.mktemp("report")
    split = worlds.random_split(folder / "split", users=60)
    data = worlds.import_split(split, folder / "listening", "target=book")
    text = np.random.default_rng(0).normal(size=(len(data.items), 4)).astype(np.float32)
    hidden = pl.read_parquet(split / "test.parquet")

    def oracle(users: Sequence[str], k: int, item_type: str) -> pl.DataFrame:
        mine = hidden.filter(pl.col("user_id").is_in(list(users)))
        return mine.with_columns(item_type=pl.lit(item_type), score=pl.lit(1.0), rank=pl.int_range(1, pl.len() + 1))

    baselines = fit_baselines(make_baselines(["all"], text, QUIET), data, QUIET)
    assert set(baselines) == set(NAMES)
    recommenders = {"oracle": oracle} | {name: baseline.recommend for name, baseline in baselines.items()}
    vectors = ItemVectors(data.items["item_id"], text)
    (found,) = evaluate(split, recommenders, vectors=vectors, progress=QUIET)
    return found


def test_the_oracle_is_perfect_and_nobody_beats_it(report: Report) -> None:
    everybody = report.segments["all"]
    assert everybody["oracle"]["hr@10"]["mean"] == 1
    assert everybody["oracle"]["ndcg@10"]["mean"] == 1
    for name, figures in report.differences["all"].items():
        assert figures["ndcg@10"]["high"] <= 0, name
        mean = everybody[name]["ndcg@10"]["mean"] - everybody["oracle"]["ndcg@10"]["mean"]
        assert figures["ndcg@10"]["mean"] == pytest.approx(mean, abs=2e-6)


def test_intervals_hold_the_mean(report: Report) -> None:
    for segment in report.segments.values():
        for name in report.scores:
            for figure in segment[name].values():
                assert figure["low"] - 1e-6 <= figure["mean"] <= figure["high"] + 1e-6


def test_baselines_make_no_mistakes(report: Report) -> None:
    for name in NAMES:
        found = report.scores[name].faults
        assert (found.foreign, found.heard, found.repeated, found.users_without) == (0, 0, 0, 0), name


def test_only_text_reaches_the_unheard_book(report: Report) -> None:
    unseen = report.segments["unseen items"]
    assert unseen["itemknn"]["mrr@100"]["mean"] < unseen["textknn"]["mrr@100"]["mean"]


def test_json_holds_everything(report: Report) -> None:
    told = json.loads(json.dumps(report.as_json()))
    assert told["counts"]["users"] == report.segments["all"]["users"]
    assert set(told["lists"]["oracle"]) >= {"coverage@10", "gini@10", "novelty@10", "diversity@10", "calibration@10"}
    assert {"country SE", "country US"} <= set(told["segments"])


def test_tables_print_every_recommender(report: Report) -> None:
    console = Console(width=200, file=io.StringIO())
    console.print(accuracy_table(report), lists_table(report), differences_table(report))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(name in text for name in report.scores)
    assert "paired differences to oracle" in text
    assert " *" in text, "the oracle is beyond the interval of some baseline"


def test_baselines_are_called_by_name() -> None:
    assert list(make_baselines(["ease", "popularity"], None, QUIET)) == ["ease", "popularity"]
    assert "textknn" not in make_baselines(["all"], None, QUIET)
    with pytest.raises(SettingsError, match="no baseline 'esae'"):
        make_baselines(["esae"], None, QUIET)
    with pytest.raises(SettingsError, match="no text features"):
        make_baselines(["textknn"], None, QUIET)


def test_a_working_folder_is_evaluated_whole(tmp_path: Path) -> None:
    split = worlds.random_split(tmp_path / "split")
    workdir = Workdir.open(tmp_path / "W", create=True)
    data = worlds.import_split(split, workdir.listening, "target=book")
    workdir.features.mkdir()
    save_file({"text": np.eye(len(data.items), dtype=np.float32)}, workdir.features / "text.safetensors")
    own = Popularity().fit(data).recommend
    (found,) = evaluate_workdir(workdir, split, own, ["popularity", "textknn"], Settings(target="book"), progress=QUIET)
    assert list(found.scores) == ["colisten", "popularity", "textknn"]
    assert found.differences["all"]["popularity"]["hr@10"] == {"mean": 0, "se": 0, "low": 0, "high": 0}
    assert found.scores["colisten"].lists["diversity@10"] == pytest.approx(1)
