"""An evaluation report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from colisten.evaluation.report import Report


def accuracy_table(report: Report, metrics: Sequence[str] = (), segments: Sequence[str] = ()) -> Table:
    """Recommenders × segments: the mean of each metric with its 95 % interval; all segments if none is named."""
    k = report.k
    valued = [f"value ndcg@{k}"] if f"value ndcg@{k}" in _metrics(report) else []
    shown = metrics or (f"hr@{k}", f"ndcg@{k}", f"recall@{k}", "mrr@100", *valued)
    counts = report.counts
    table = Table(
        "segment", "recommender", *shown,
        title=f"{report.item_type}: {counts['users']:,} users, {counts['pairs']:,} held-out streams",
        caption="mean over users, 95 % bootstrap interval",
    )  # fmt: skip
    for segment, found in report.segments.items():
        if segments and segment not in segments:
            continue
        for place, name in enumerate(report.scores):
            label = f"{segment} ({found['users']:,})" if place == 0 else ""
            table.add_row(label, name, *(with_interval(found[name][metric]) for metric in shown))
        table.add_section()
    return table


def differences_table(report: Report, metrics: Sequence[str] = ()) -> Table:
    """Each further recommender minus the first, paired by user; a star where the 95 % interval leaves out zero."""
    shown = metrics or (f"hr@{report.k}", f"ndcg@{report.k}", "mrr@100")
    first = next(iter(report.scores))
    table = Table("segment", f"less {first}", *shown, title=f"{report.item_type}: paired differences to {first}")
    for segment, found in report.differences.items():
        for place, (name, figures) in enumerate(found.items()):
            cells = [with_interval(figures[metric], "+.3f") + star(figures[metric]) for metric in shown]
            table.add_row(segment if place == 0 else "", name, *cells)
        table.add_section()
    return table


def _metrics(report: Report) -> list[str]:
    return list(report.segments["all"][next(iter(report.scores))])


def star(figure: Mapping[str, float]) -> str:
    """Marks a difference whose interval leaves out zero."""
    return " *" if figure["low"] > 0 or figure["high"] < 0 else ""


def with_interval(figure: Mapping[str, float], form: str = ".3f") -> str:
    """The mean and its 95 % interval."""
    return f"{figure['mean']:{form}} [{figure['low']:{form}}, {figure['high']:{form}}]"


def lists_table(report: Report) -> Table:
    """Recommenders × beyond-accuracy metrics of their lists, and the parameters that tuning chose."""
    names = list(next(iter(report.scores.values())).lists)
    table = Table("recommender", *names, "ties", "values", title=f"{report.item_type}: beyond accuracy")
    for name, found in report.scores.items():
        figures = (f"{found.lists.get(figure, float('nan')):.3f}" for figure in names)
        values = ", ".join(f"{key} {value:g}" for key, value in report.values.get(name, {}).items())
        table.add_row(name, *figures, str(found.faults.users_tied), values)
    return table
