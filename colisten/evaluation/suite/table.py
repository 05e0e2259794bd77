"""The paper's comparison as tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from colisten.evaluation.suite.comparison import Comparison, Row
from colisten.evaluation.suite.variants import FULL
from colisten.evaluation.table import star, with_interval


def suite_table(comparison: Comparison, segment: str) -> Table:
    """Variants in one segment: every metric with its 95 % interval, and the difference from the full model."""
    first = f"hr@{comparison.k}"
    table = Table(
        "model", "", *comparison.metrics, "coverage@100", f"{first} to {FULL}", f"{first} printed", "seeds", "s",
        title=f"{comparison.item_type}, {segment} users: {comparison.users[segment]:,}",
        caption="mean over seeds, 95 % bootstrap interval over users; *: the interval of the difference leaves out 0",
    )  # fmt: skip
    for row in comparison.rows[segment]:
        results = [with_interval(row[metric]) for metric in comparison.metrics]
        seeds = " ".join(f"{value:.3f}" for value in row[first]["seeds"])
        table.add_row(
            row["variant"], row["about"], *results, f"{row['coverage@100']:.1%}", _change(row[first]),
            _printed(row), seeds, f"{row['seconds']:.0f}",
        )  # fmt: skip
    return table


def _change(figure: dict[str, Any]) -> str:
    if "change" not in figure:
        return ""
    return with_interval(figure["change"], "+.3f") + star(figure["change"])


def _printed(row: Row) -> str:
    return "" if row["printed"] is None else f"{row['printed']:.3f}"
