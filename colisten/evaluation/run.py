"""What `colisten evaluate` does: Colisten's own recommendations beside the baselines, on one split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colisten.evaluation.baselines.choosing import choose, fit
from colisten.evaluation.baselines.tuning import tuned, values_of
from colisten.evaluation.held_out import read_held_out, refuse_leaks
from colisten.evaluation.report import Recommend, Report, evaluate
from colisten.evaluation.scores import ItemVectors
from colisten.gnn.text import load_text
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir


def evaluate_workdir(
    workdir: Workdir,
    split: Path,
    recommend: Recommend,
    baselines: Sequence[str],
    settings: Settings,
    *,
    k: int = 10,
    tune: bool = True,
    progress: Progress,
) -> list[Report]:
    """Judge `recommend` first, then the baselines of those names (or `all`), fitted to the same data.

    With `tune` each baseline first tries its grid on the validation slice that Colisten's own choices are made on.
    Diversity is measured over the text features of `workdir`, where it has them.

    Raises:
        DataError: the split cannot be read, or the working folder has learned from what it hides.
        SettingsError: an unknown baseline.
    """
    data = ListeningData(workdir.listening)
    refuse_leaks(data, read_held_out(split))
    text = load_text(workdir.features) if (workdir.features / "text.safetensors").exists() else None
    chosen = choose(baselines, text, progress)
    fitted = fit(tuned(chosen, data, settings, progress) if tune else chosen, data, progress)
    recommenders = {"colisten": recommend} | {name: baseline.recommend for name, baseline in fitted.items()}
    vectors = None if text is None else ItemVectors(data.items["item_id"], text)
    return evaluate(
        split, recommenders, k=k, seed=settings.seed, vectors=vectors, values=values_of(fitted), progress=progress
    )
