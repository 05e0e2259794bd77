"""Evaluation of a working folder: its live index beside the baselines, on the held-out streams of a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from colisten.evaluation.baselines.registry import fit_baselines, make_baselines
from colisten.evaluation.baselines.tuning import tune_baselines, tuned_values
from colisten.evaluation.held_out_streams import check_no_leaks, read_held_out
from colisten.evaluation.report import RecommendFunction, Report, evaluate
from colisten.evaluation.scores import ItemVectors
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.serving.many import recommend_to
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.text.encoding import load_text
from colisten.workdir import Workdir, scratch_folder

EXPLORATION = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Points of the frontier between hits and reach."""


def evaluate_workdir(
    workdir: Workdir,
    settings: Settings,
    split: Path,
    baselines: Sequence[str],
    *,
    k: int = 10,
    tune: bool = True,
    frontier: bool = False,
    progress: Progress,
) -> list[Report]:
    """Evaluate the live index first, then the baselines of those names (or `all`), fitted to the same data.

    With `tune`, the parameters of each baseline are first chosen from its grid on the validation slice that Colisten's
    own model selection uses; with `frontier`, the live index is asked with more and more exploration too. Diversity is
    measured in the text vectors of `workdir`, where it has them.

    Raises:
        DataError: the split cannot be read, or the working folder has learned from its held-out streams.
        SettingsError: an unknown baseline.
        IndexStoreError: nothing is published.
    """
    data = ListeningData(workdir.listening)
    check_no_leaks(data, read_held_out(split))
    text = load_text(workdir.features) if (workdir.features / "text.safetensors").exists() else None
    made = make_baselines(baselines, text, progress)
    fitted = fit_baselines(tune_baselines(made, data, settings, progress) if tune else made, data, progress)
    vectors = None if text is None else ItemVectors(data.items["item_id"], text)
    with Recommender.open(workdir, settings) as recommender:
        recommenders = {"colisten": _batch(recommender, progress)}
        recommenders |= {name: baseline.recommend for name, baseline in fitted.items()}
        explored = {rate: _batch(recommender, progress, rate) for rate in EXPLORATION if frontier}
        return evaluate(
            split, recommenders, k=k, seed=settings.seed, vectors=vectors, values=tuned_values(fitted),
            explored=explored, progress=progress,
        )  # fmt: skip


def _batch(recommender: Recommender, progress: Progress, exploration: float | None = None) -> RecommendFunction:
    """Recommendations as `colisten recommend --users` writes them."""

    def recommend(users: Sequence[str], k: int, item_type: str) -> pl.DataFrame:
        with scratch_folder() as scratch:
            path = scratch / "recommendations.parquet"
            recommend_to(path, recommender, users, Query(k, item_type, exploration=exploration), progress)
            return pl.read_parquet(path, glob=False)

    return recommend
