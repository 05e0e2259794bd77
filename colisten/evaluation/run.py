"""What `colisten evaluate` does: Colisten's own recommendations beside the baselines, on one split."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from colisten.evaluation.baselines.choosing import choose, fit
from colisten.evaluation.baselines.tuning import tuned, values_of
from colisten.evaluation.held_out_streams import check_no_leaks, read_held_out
from colisten.evaluation.report import Report, evaluate
from colisten.evaluation.scores import ItemVectors
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.serving.many import recommend_to
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.text.encoding import load_text
from colisten.workdir import Workdir


def evaluate_workdir(
    workdir: Workdir,
    settings: Settings,
    split: Path,
    baselines: Sequence[str],
    *,
    k: int = 10,
    tune: bool = True,
    progress: Progress,
) -> list[Report]:
    """Judge the live index first, then the baselines of those names (or `all`), fitted to the same data.

    With `tune` each baseline first tries its grid on the validation split that Colisten's own selection is made on.
    Diversity is measured over the text vectors of `workdir`, where it has them.

    Raises:
        DataError: the split cannot be read, or the working folder has learned from what it hides.
        SettingsError: an unknown baseline.
        IndexStoreError: nothing is published.
    """
    data = ListeningData(workdir.listening)
    check_no_leaks(data, read_held_out(split))
    text = load_text(workdir.features) if (workdir.features / "text.safetensors").exists() else None
    chosen = choose(baselines, text, progress)
    fitted = fit(tuned(chosen, data, settings, progress) if tune else chosen, data, progress)
    vectors = None if text is None else ItemVectors(data.items["item_id"], text)
    with Recommender.open(workdir, settings) as recommender:

        def live(users: Sequence[str], k: int, item_type: str) -> pl.DataFrame:
            """What a user of the command line would get."""
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / "recommendations.parquet"
                recommend_to(path, recommender, users, Query(k, item_type), progress)
                return pl.read_parquet(path)

        recommenders = {"colisten": live} | {name: baseline.recommend for name, baseline in fitted.items()}
        return evaluate(
            split, recommenders, k=k, seed=settings.seed, vectors=vectors, values=values_of(fitted), progress=progress
        )
