"""An evaluation report as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from colisten.evaluation.report import Report
from colisten.letters import printable


def accuracy_table(report: Report, metrics: Sequence[str] = (), segments: Sequence[str] = ()) -> Table:
    """Recommenders × segments: the mean of each metric above its 95 % interval; all segments if none is named."""
    k = report.k
    valued = [f"value ndcg@{k}"] if f"value ndcg@{k}" in _metrics(report) else []
    shown = metrics or (f"hr@{k}", f"ndcg@{k}", f"recall@{k}", "mrr@100", *valued)
    counts = report.counts
    table = plain_table(
        ("segment", "recommender", *shown),
        title=f"{report.item_type}: {counts['users']:,} users, {counts['pairs']:,} held-out streams",
        caption="mean over users, 95 % bootstrap interval",
    )
    for segment, found in report.segments.items():
        if segments and segment not in segments:
            continue
        for place, name in enumerate(report.scores):
            label = f"{segment}\n{found['users']:,} users" if place == 0 else ""
            add_row(table, label, name, *(with_interval(found[name][metric]) for metric in shown))
        table.add_row()
    return table


def differences_table(report: Report, metrics: Sequence[str] = ()) -> Table:
    """Each further recommender minus the first, paired by user; a star where the 95 % interval leaves out zero."""
    shown = metrics or (f"hr@{report.k}", f"ndcg@{report.k}", "mrr@100")
    first = next(iter(report.scores))
    table = plain_table(
        ("segment", f"less {first}", *shown), title=f"{report.item_type}: paired differences to {first}"
    )
    for segment, found in report.differences.items():
        for place, (name, figures) in enumerate(found.items()):
            label = segment if place == 0 else ""
            add_row(table, label, name, *(change(figures[metric]) for metric in shown))
        table.add_row()
    return table


def lists_table(report: Report) -> Table:
    """Beyond-accuracy metrics of the lists × recommenders; below, the parameters that tuning chose."""
    values = [
        f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in chosen.items())
        for name, chosen in report.values.items()
        if chosen
    ]
    title = f"{report.item_type}: beyond accuracy"
    table = plain_table(("", *report.scores), title=title, caption="\n".join(values), gap=1)
    for column in table.columns[1:]:
        column.justify = "right"
    lists = [found.lists for found in report.scores.values()]
    for name in dict.fromkeys(name for figures in lists for name in figures):
        add_row(table, name, *(f"{figures[name]:.3f}" if name in figures else "–" for figures in lists))
    add_row(table, "users with ties", *(str(found.faults.users_tied) for found in report.scores.values()))
    return table


def plain_table(columns: Sequence[str], *, title: str, caption: str = "", gap: int = 2) -> Table:
    """A table without lines, whose texts are broken where there is no room, never cut."""
    table = Table(
        title=Text(printable(title)), caption=Text(caption), title_justify="left", caption_justify="left",
        box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold",
    )  # fmt: skip
    for name in columns:
        table.add_column(Text(name), overflow="fold")
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add texts as they are: brackets in them are no markup."""
    table.add_row(*(Text("\n".join(map(printable, cell.split("\n")))) for cell in cells))


def _metrics(report: Report) -> list[str]:
    return list(report.segments["all"][next(iter(report.scores))])


def with_interval(figure: Mapping[str, Any]) -> str:
    """The mean, and below it its 95 % interval."""
    low, high = (f"{figure[end]:.3f}".removeprefix("0") for end in ("low", "high"))
    return f"{figure['mean']:.3f}\n{low}–{high}"


def change(figure: Mapping[str, Any]) -> str:
    """The mean of a difference, starred if its interval leaves out zero, and below it the interval."""
    star = " *" if figure["low"] > 0 or figure["high"] < 0 else ""
    return f"{figure['mean']:+.3f}{star}\n{figure['low']:+.3f} to {figure['high']:+.3f}"
