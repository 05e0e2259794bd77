"""The page of a report, looked at by a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.page import write_report
from colisten.evaluation.report import Report, evaluate
from colisten.figures import COLOURS
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.browser import Browser, share_of

from . import worlds


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    folder = tmp_path_factory.mktemp("page")
    split = worlds.random_split(folder / "split", users=60)
    popular = Popularity().fit(worlds.import_split(split, folder / "listening", "target=book"))
    chance = worlds.random_lists(split, 3)
    recommenders = {"popular <b>": popular.recommend, "chance": lambda users, k, kind: chance}
    explored = {0.0: popular.recommend, 1.0: recommenders["chance"]}
    return evaluate(split, recommenders, k=2, explored=explored, progress=Progress(quiet=True))


def test_the_frontier_has_the_figures_of_each_setting(reports: list[Report]) -> None:
    (report,) = reports
    for rate, name in ((0.0, "popular <b>"), (1.0, "chance")):
        point = report.frontier[rate]
        assert point.hits == pytest.approx(report.segments["all"][name]["hr@2"]["mean"], abs=1e-6)
        assert point.tail == pytest.approx(report.segments["tail items"][name]["hr@2"]["mean"], abs=1e-6)
        assert point.coverage == report.scores[name].lists["coverage@100"]
    assert set(report.as_json()["frontier"]) == {"0.0", "1.0"}


def test_every_plot_is_on_the_page(reports: list[Report], tmp_path: Path, browser: Browser) -> None:
    workdir = Workdir.open(tmp_path / "W", create=True)
    for folder in (workdir.gnn, workdir.edges):
        folder.mkdir()
    epochs = [{"epoch": i, "loss": 3 / (i + 1), "validation": 2.0, "seconds": 0.1} for i in range(5)]
    (workdir.gnn / "training.jsonl").write_text("\n".join(map(json.dumps, epochs)))
    kinds = {"src_type": ["book"] * 9 + ["show"], "relation": ["co_listened"] * 10, "dst_type": ["show"] * 10}
    pl.DataFrame(kinds).write_parquet(workdir.edges / "edges.parquet")
    page = write_report(reports, workdir, Settings(target="book"), tmp_path / "R")
    text = page.read_text()
    assert re.findall(r'(?:href|src)="(?!#)[^"]+"|url\((?!#)|@import|<script', text) == []
    seen = browser.text(page.as_uri())
    assert seen.count("<svg") == 7
    figure = reports[0].segments["all"]["chance"]["ndcg@2"]
    assert f'<td class="number">{figure["mean"]:.3f}</td>' in seen
    for words in (
        "HR@2",
        "long tail",
        "Coverage",
        "validation",
        "book – show, co_listened",
        "popular &lt;b&gt;",
        "country SE",
        "serve.exploration",
    ):
        assert words in seen, words
    picture = browser.picture(page.as_uri(), tmp_path / "seen.png", height=3500)
    assert all(share_of(picture, colour) > 0.003 for colour in COLOURS[:2])


def test_what_a_folder_has_not_is_left_out(reports: list[Report], tmp_path: Path) -> None:
    workdir = Workdir.open(tmp_path / "W", create=True)
    text = write_report(reports, workdir, Settings(), tmp_path / "R").read_text()
    assert text.count("<svg") == 5
    assert "Training" not in text


def test_curves_of_the_long_tail_rise_from_nothing_to_all(reports: list[Report]) -> None:
    for curve in (*(found.long_tail for found in reports[0].scores.values()), reports[0].training_long_tail):
        assert len(curve) == 101
        assert (curve[0], curve[-1]) == (0, 1)
        assert curve == sorted(curve)
    popular, chance = (found.long_tail for found in reports[0].scores.values())
    assert sum(popular) > sum(chance), "popularity gives more places to hits"
