"""The paper's comparison on little synthetic data."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from safetensors.numpy import save_file

from colisten.errors import SettingsError
from colisten.evaluation.baselines.vector_model import VectorModel, mean_item_vectors
from colisten.evaluation.suite.comparison import Comparison, compare
from colisten.evaluation.suite.graphs import graph_of
from colisten.evaluation.suite.plot import plot_suite
from colisten.evaluation.suite.run import paper_suite
from colisten.evaluation.suite.run_results import RunResult
from colisten.evaluation.suite.shared_artefacts import SharedArtefacts
from colisten.evaluation.suite.table import change_table, suite_table
from colisten.evaluation.suite.variants import VARIANTS, GraphVariant
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.listening.data import ListeningData
from colisten.listening.split import ByDays, split_data
from colisten.listening.synth.world import make_world
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir

from . import worlds

pytestmark = pytest.mark.slow

QUIET = Progress(quiet=True)
QUICK = ("recipe=paper", "gnn.max_epochs=1", "gnn.dim=8", "gnn.edges_per_epoch=600", "gnn.negatives=16",
         "towers.epochs=1", "towers.hidden=16", "towers.dim=8", "evaluation.seeds=2")  # fmt: skip


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    make_world(folder / "world", users=250, audiobooks=60, podcasts=40, seed=3)
    split_data(str(folder / "world"), folder / "split", Settings(), ByDays(14))
    return folder / "split"


@pytest.fixture(scope="module")
def workdir(split: Path) -> Workdir:
    """A folder that has read the split; an item's text is which genres it has."""
    found = Workdir.open(split.parent / "work", create=True)
    data = worlds.import_split(split, found.listening)
    found.features.mkdir()
    genres = data.items["genres"].list.join(" ").to_dummies().to_numpy().astype(np.float32)
    save_file({"text": np.ascontiguousarray(genres)}, found.features / "text.safetensors")
    return found


@pytest.fixture(scope="module")
def comparison(workdir: Workdir, split: Path) -> Comparison:
    return paper_suite(workdir, split, Settings.load(QUICK), 10, QUIET)


def test_every_model_of_the_paper_has_its_row(comparison: Comparison) -> None:
    names = [variant.name for variant in VARIANTS]
    assert [row["variant"] for row in comparison.rows["warm"]] == names
    cold = [row["variant"] for row in comparison.rows["cold"]]
    assert cold == [name for name in names if name not in ("LLM-KNN", "HGNN")]
    assert not comparison.skip_reason
    for row in comparison.rows["warm"]:
        figure = row["hr@10"]
        assert figure["low"] <= figure["mean"] <= figure["high"]
        assert len(figure["seeds"]) == (1 if row["variant"] in ("Popularity", "LLM-KNN") else 2)
        assert ("change" in figure) == (row["variant"] != "2T-HGNN")
        assert 0 < row["coverage@100"] <= 1


def test_a_lost_run_alone_is_repeated_with_the_same_result(
    workdir: Workdir, split: Path, comparison: Comparison
) -> None:
    (results,) = workdir.suite.glob("*/runs")
    before = {path.name: path.stat().st_mtime_ns for path in results.iterdir()}
    assert len(before) == 2 + 2 * 10
    lost = results / "D-8.json"
    figures = json.loads(lost.read_text())["figures"]
    lost.unlink()
    again = paper_suite(workdir, split, Settings.load(QUICK), 10, QUIET)
    after = {path.name: path.stat().st_mtime_ns for path in results.iterdir()}
    assert {name for name in before if after[name] != before[name]} == {"D-8.json"}
    assert json.loads(lost.read_text())["figures"] == figures
    assert [row["hr@10"] for row in again.rows["warm"]] == [row["hr@10"] for row in comparison.rows["warm"]]


def test_other_settings_are_another_comparison(workdir: Workdir, split: Path, comparison: Comparison) -> None:
    settings = Settings.load([*QUICK, "evaluation.seeds=1", "towers.batch_size=64"])
    small = paper_suite(workdir, split, settings, 5, QUIET)
    assert small.metrics[0] == "hr@5"
    assert len(list(workdir.suite.iterdir())) == 2


def test_another_target_than_that_of_the_split_is_refused(workdir: Workdir, split: Path) -> None:
    with pytest.raises(SettingsError, match="add --set target=audiobook"):
        paper_suite(workdir, split, Settings.load([*QUICK, "target=podcast"]), 10, QUIET)


@pytest.mark.parametrize(
    ("variant", "kinds"),
    [
        (GraphVariant("whole"), {"aa", "ap", "pp"}),
        (GraphVariant("c", other_other=False), {"aa", "ap"}),
        (GraphVariant("d", target_target=False), {"ap", "pp"}),
        (GraphVariant("e", target_other=False, other_other=False, typed=False), {"aa"}),
        (GraphVariant("f", target_target=False, target_other=False, typed=False), {"pp"}),
    ],
)
def test_a_variant_sees_its_kinds_of_edges(
    workdir: Workdir, tmp_path: Path, variant: GraphVariant, kinds: set[str]
) -> None:
    settings, data = Settings.load(QUICK), ListeningData(workdir.listening)
    build_edges(data, settings.graph, tmp_path, QUIET)
    edges = pl.read_parquet(tmp_path / FILE)
    names = [
        "".join(sorted(pair[0] + pair[1])) for pair in edges.select(pl.col("src_type", "dst_type").str.head(1)).rows()
    ]
    with graph_of(variant, data, edges, settings) as adjacency:
        assert adjacency.degrees.sum() == 2 * sum(name in kinds for name in names)
        assert len(adjacency.node_types) == (2 if variant.typed else 1)


def test_users_as_nodes_are_joined_to_what_they_streamed(workdir: Workdir) -> None:
    data = ListeningData(workdir.listening)
    with graph_of(GraphVariant("users", users=True), data, pl.DataFrame(), Settings.load(QUICK)) as adjacency:
        streams = pl.read_parquet(data.interactions).filter(pl.col("signal") < data.strong).unique(["user", "item"])
        someone = streams["user"][0]
        around = adjacency.neighbours(np.array([len(data.items) + someone]))
        assert set(around.items.tolist()) == set(streams.filter(pl.col("user") == someone)["item"].to_list())
        assert adjacency.degrees.sum() == 2 * len(streams)
        assert adjacency.degrees[: len(data.items), :2].sum() == 0


def test_without_weak_signals_streams_stay(workdir: Workdir, tmp_path: Path) -> None:
    data = ListeningData(workdir.listening)
    artefacts = SharedArtefacts(data, np.empty((0, 0), np.float32), Settings.load(QUICK), tmp_path, QUIET)
    artefacts.prepare()
    kept = pl.read_parquet(artefacts.without_weak.interactions)
    assert (kept["signal"] < data.strong).all()
    assert kept.equals(pl.read_parquet(data.interactions).filter(pl.col("signal") < data.strong))


def test_figures_are_means_over_seeds_and_users() -> None:
    rng = np.random.default_rng(0)
    users = {"warm": [f"u{i}" for i in range(40)]}
    metrics = ("hr@10", "mrr@100", "ndcg@10")

    def drawn(chance: float) -> RunResult:
        return RunResult(users, {"warm": {name: (rng.random(40) < chance).astype(float).tolist() for name in metrics}},
                    {"warm": 0.5}, 1.0, "")  # fmt: skip

    results = {
        "2T-HGNN": [drawn(0.9), drawn(0.9)],
        "2T": [drawn(0.1), drawn(0.1)],
        "A": [RunResult({}, {}, {}, 0, "no edges")],
    }
    found = compare(results, "audiobook", 10, seed=7)
    full, towers = found.rows["warm"]
    mean = {name: np.mean([one.figures["warm"]["hr@10"] for one in results[name]]) for name in ("2T-HGNN", "2T")}
    assert full["hr@10"]["mean"] == pytest.approx(mean["2T-HGNN"])
    assert towers["hr@10"]["change"]["mean"] == pytest.approx(mean["2T"] - mean["2T-HGNN"])
    assert towers["hr@10"]["change"]["high"] < 0
    assert found.skip_reason == {"A": "no edges"}


def test_users_are_the_mean_of_their_items() -> None:
    items = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    vectors = mean_item_vectors(worlds.sparse_matrix([[1, 1, 0], [0, 0, 0]]), items)
    assert vectors[0] == pytest.approx([0.5**0.5, 0.5**0.5])
    assert not vectors[1].any()
    scores = VectorModel(vectors, items).scores(np.array([0]), np.array([2]))
    assert scores == pytest.approx(2**0.5)


def test_tables_and_picture(comparison: Comparison, tmp_path: Path) -> None:
    console = Console(width=80, file=io.StringIO())
    for table in (suite_table(comparison, "warm"), change_table(comparison, "warm")):
        assert table.row_count == len(VARIANTS)
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    assert max(map(len, console.file.getvalue().splitlines())) <= 80
    assert "…" not in console.file.getvalue()
    for ending in ("png", "svg"):
        plot_suite(comparison, tmp_path / f"suite.{ending}")
    assert (tmp_path / "suite.png").read_bytes().startswith(b"\x89PNG")
    assert "2T-HGNN" in (tmp_path / "suite.svg").read_text()
