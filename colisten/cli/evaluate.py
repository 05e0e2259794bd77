"""`colisten evaluate`: metrics of the recommendations on held-out streams, beside the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from colisten.cli.options import opened, set_option, workdir_option
from colisten.cli.output import say
from colisten.cli.suite import compare_paper, print_comparison
from colisten.extras import require
from colisten.workdir import write_json

if TYPE_CHECKING:
    from colisten.evaluation.report import Report


@click.command()
@workdir_option
@click.option(
    "--split", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True,
    help="Folder made by `data split`, whose train/ part this working folder was run on.",
)  # fmt: skip
@click.option("-k", "count", type=click.IntRange(1, 100), default=10, show_default=True, help="Length of the lists.")
@click.option(
    "--baselines", default="popularity,itemknn", show_default=True,
    help="Baselines fitted on the same data, by name; `all`, or `none`.",
)  # fmt: skip
@click.option("--untuned", is_flag=True, help="Baselines with default parameters instead of tuned ones.")
@click.option(
    "--suite", type=click.Choice(["paper"]), help="Train and compare the paper's own models instead, on this split."
)
@set_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write every figure as JSON.")
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="Write a page with plots, DIR/report.html."
)
@click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON instead of tables.")
def evaluate(
    workdir: Path,
    split: Path,
    count: int,
    baselines: str,
    untuned: bool,
    suite: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Measure HR, NDCG, recall, MRR and coverage by segment, with 95 % intervals, beside the baselines.

    \b
    colisten data split listening/ S --target audiobook --days 14
    colisten run --data S/train --workdir W --set target=audiobook
    colisten evaluate --split S --workdir W --baselines all --report R
    colisten evaluate --split S --workdir P --suite paper --set evaluation.seeds=3
    """
    import json

    if report and suite:
        raise click.UsageError("--report is for the comparison with the baselines; the suite draws its own picture.")
    if report:
        require("plots", "matplotlib")
    figures: object
    if suite:
        comparison = compare_paper(workdir, split, overrides, count)
        figures, tables = asdict(comparison), partial(print_comparison, comparison)
    else:
        reports = _compare(workdir, split, overrides, baselines, count, tune=not untuned, frontier=bool(report))
        figures, tables = [report.as_json() for report in reports], partial(print_reports, reports)
        if report:
            _draw(reports, workdir, overrides, report)
    if out:
        write_json(out, figures)
    if as_json:
        click.echo(json.dumps(figures))
    else:
        tables()


def _draw(reports: Sequence[Report], workdir: Path, overrides: Sequence[str], folder: Path) -> None:
    from colisten.evaluation.page import write_report

    say(f"The page is {write_report(reports, *opened(workdir, overrides), folder)}.")


def _compare(
    workdir: Path, split: Path, overrides: Sequence[str], baselines: str, k: int, *, tune: bool, frontier: bool
) -> list[Report]:
    from colisten.evaluation.run import evaluate_workdir
    from colisten.progress import Progress

    with Progress() as progress:
        names = [name.strip() for name in baselines.split(",") if name.strip() not in ("", "none")]
        return evaluate_workdir(
            *opened(workdir, overrides), split, names, k=k, tune=tune, frontier=frontier, progress=progress
        )


def print_reports(reports: Sequence[Report]) -> None:
    """Print every report as tables."""
    from rich.console import Console

    from colisten.evaluation.table import accuracy_table, differences_table, lists_table

    console = Console()
    for report in reports:
        console.print(accuracy_table(report))
        if len(report.scores) > 1:
            console.print(differences_table(report))
        console.print(lists_table(report), end="\n\n")
