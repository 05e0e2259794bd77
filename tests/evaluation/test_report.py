"""Recommenders side by side: all of `colisten evaluate` on a small split."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from colisten.errors import SettingsError
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.registry import NAMES, fit_baselines, make_baselines
from colisten.evaluation.report import Report, evaluate
from colisten.evaluation.run import evaluate_workdir
from colisten.evaluation.scores import ItemVectors
from colisten.evaluation.table import accuracy_table, differences_table, lists_table
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.text.encoding import load_text
from tests.listening.sources import named
from tests.serving.worlds import served

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


def test_the_oracle_is_perfect_and_unbeaten(report: Report) -> None:
    overall = report.segments["all"]
    assert overall["oracle"]["hr@10"]["mean"] == 1
    assert overall["oracle"]["ndcg@10"]["mean"] == 1
    for name, figures in report.differences["all"].items():
        assert figures["ndcg@10"]["high"] <= 0, name
        mean = overall[name]["ndcg@10"]["mean"] - overall["oracle"]["ndcg@10"]["mean"]
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


def test_only_text_reaches_the_book_without_listeners(report: Report) -> None:
    unseen = report.segments["unseen items"]
    assert unseen["itemknn"]["mrr@100"]["mean"] < unseen["textknn"]["mrr@100"]["mean"]


def test_json_holds_everything(report: Report) -> None:
    figures = json.loads(json.dumps(report.as_json()))
    assert figures["counts"]["users"] == report.segments["all"]["users"]
    assert set(figures["lists"]["oracle"]) >= {"coverage@10", "gini@10", "novelty@10", "diversity@10", "calibration@10"}
    assert {"country SE", "country US"} <= set(figures["segments"])


def test_tables_print_every_recommender(report: Report) -> None:
    text = printed(report)
    assert all(name in text for name in report.scores)
    assert "paired differences to oracle" in text
    assert " *" in text, "the oracle is beyond the interval of some baseline"


def test_tables_fit_80_columns_whole(report: Report) -> None:
    text = printed(report, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    shown = set(re.split(r"[^\w@. +-]+|\s+", text))
    means = [found[name]["mrr@100"]["mean"] for found in report.segments.values() for name in report.scores]
    assert {f"{mean:.3f}" for mean in means} <= shown
    lists = [figure for found in report.scores.values() for figure in found.lists.values()]
    assert {f"{figure:.3f}" for figure in lists} <= shown


def test_tables_show_texts_as_they_are(report: Report) -> None:
    odd = replace(report, item_type="[/r/books] \x1b[31m", segments={"[red]": report.segments["all"]} | report.segments)
    text = printed(odd)
    assert "[/r/books] �[31m: " in text
    assert "[red]" in text


def test_a_figure_that_one_list_alone_has_is_shown(report: Report) -> None:
    first, *_ = report.scores
    less = {name: figure for name, figure in report.scores[first].lists.items() if name != "novelty@10"}
    scores = report.scores | {first: replace(report.scores[first], lists=less)}
    (row,) = [line for line in printed(replace(report, scores=scores)).splitlines() if line.startswith("novelty@10")]
    assert row.split()[1] == "–"
    assert len(row.split()) == 1 + len(scores)


def printed(report: Report, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(accuracy_table(report), lists_table(report), differences_table(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_baselines_are_called_by_name() -> None:
    assert list(make_baselines(["ease", "popularity"], None, QUIET)) == ["ease", "popularity"]
    assert "textknn" not in make_baselines(["all"], None, QUIET)
    with pytest.raises(SettingsError, match="no baseline 'esae'"):
        make_baselines(["esae"], None, QUIET)
    with pytest.raises(SettingsError, match="no text features"):
        make_baselines(["textknn"], None, QUIET)


def test_a_working_folder_is_evaluated_by_its_live_index(tmp_path: Path) -> None:
    workdir, data, settings = served(tmp_path / "W")
    split = _split_behind(data, tmp_path / "split", settings.target)
    (found,) = evaluate_workdir(workdir, settings, split, ["popularity", "textknn"], tune=False, progress=QUIET)
    assert list(found.scores) == ["colisten", "popularity", "textknn"]
    assert found.item_type == settings.target

    def one_by_one(users: Sequence[str], k: int, item_type: str) -> pl.DataFrame:
        with Recommender.open(workdir, settings) as recommender:
            answers = {user: recommender.recommend([user], Query(k, item_type)).items for user in users}
        return pl.DataFrame(
            {"user_id": user, "item_id": item.item_id, "score": -float(rank), "rank": rank}
            for user, items in answers.items() for rank, item in enumerate(items, 1)
        )  # fmt: skip

    recommenders = {"colisten": one_by_one, "popularity": Popularity().fit(data).recommend}
    vectors = ItemVectors(data.items["item_id"], load_text(workdir.features))
    (expected,) = evaluate(split, recommenders, seed=settings.seed, vectors=vectors, progress=QUIET)
    for name in recommenders:
        assert found.scores[name].lists == pytest.approx(expected.scores[name].lists), name
        figures, wanted = found.segments["all"][name], expected.segments["all"][name]
        assert {metric: figures[metric]["mean"] for metric in figures} == {
            metric: pytest.approx(wanted[metric]["mean"]) for metric in wanted
        }, name
    assert found.scores["colisten"].lists != found.scores["popularity"].lists


def _split_behind(data: ListeningData, root: Path, target: str) -> Path:
    """A split with `data` as its training part: every tenth item of the target type that a user has not streamed."""
    train = root / "train"
    train.mkdir(parents=True)
    named(data).write_parquet(train / "interactions.parquet")
    data.users.drop("user").write_parquet(train / "users.parquet")
    items = data.items.filter(~pl.col("retired"))
    items.drop("item", "row", "retired").write_parquet(train / "items.parquet")
    targets = items.filter(pl.col("item_type") == target).select("item", "item_id")
    pairs = data.users.select("user", "user_id").join(targets, how="cross")
    unseen = pairs.join(pl.read_parquet(data.interactions), on=["user", "item"], how="anti")
    unseen.gather_every(10).select("user_id", "item_id").write_parquet(root / "test.parquet")
    (root / "split.json").write_text(json.dumps({"target": target, "strong": ",".join(data.signals[: data.strong])}))
    return root
