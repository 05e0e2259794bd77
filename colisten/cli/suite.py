"""`colisten evaluate --suite paper`: the paper's models, trained and compared on a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.cli.options import opened
from colisten.workdir import write_json

if TYPE_CHECKING:
    from colisten.evaluation.suite.comparison import Comparison
    from colisten.progress import Progress
    from colisten.settings import Settings
    from colisten.workdir import Workdir


def compare_paper(workdir: Path, split: Path, overrides: Sequence[str], k: int) -> Comparison:
    """Train and compare; figures and their picture are kept in the working folder.

    The recipe is the paper's, whatever the folder was run with; other settings of the folder hold.
    """
    from colisten.evaluation.suite.run import paper_suite
    from colisten.progress import Progress
    from colisten.settings import Settings

    folder, own = opened(workdir, overrides, create=True)
    settings = Settings.load([*overrides, "recipe=paper"], kept=folder.settings)
    with Progress() as progress:
        _prepare(folder, split, own, progress)
        comparison = paper_suite(folder, split, settings, k, progress)
        for name, reason in comparison.skip_reason.items():
            progress.say(f"Left out {name}: {reason}")
        _save(comparison, folder, progress)
    return comparison


def print_comparison(comparison: Comparison) -> None:
    """Print the comparison as tables."""
    from rich.console import Console

    from colisten.evaluation.suite.table import change_table, suite_table

    console = Console()
    for segment in comparison.rows:
        console.print(suite_table(comparison, segment), change_table(comparison, segment), sep="\n\n", end="\n\n")


def _prepare(folder: Workdir, split: Path, settings: Settings, progress: Progress) -> None:
    """Import the split's train part and encode its texts, unless the folder has that already."""
    from colisten.pipeline.stage import Context, run_stages
    from colisten.pipeline.stages import STAGES

    context = Context(folder, settings, progress, str(split / "train"))
    missing = [stage for stage in STAGES if stage.name in ("listening", "text") and not stage.output_exists(context)]
    if missing:
        run_stages(missing, context)


def _save(comparison: Comparison, folder: Workdir, progress: Progress) -> None:
    write_json(folder.suite / "paper.json", asdict(comparison))
    if find_spec("matplotlib") is None:
        progress.say(f"All figures are in {folder.suite / 'paper.json'}; install colisten[plots] for a picture.")
        return
    from colisten.evaluation.suite.plot import plot_suite

    picture = folder.suite / "paper.png"
    plot_suite(comparison, picture)
    progress.say(f"All figures are in {folder.suite / 'paper.json'}, a picture of them in {picture}.")
