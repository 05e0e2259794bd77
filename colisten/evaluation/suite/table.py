"""The paper's comparison as tables for a terminal of 80 columns."""

from __future__ import annotations

from rich.table import Table

from colisten.evaluation.suite.comparison import Comparison, Row
from colisten.evaluation.suite.variants import FULL
from colisten.evaluation.table import add_row, change, plain_table, with_interval


def suite_table(comparison: Comparison, segment: str) -> Table:
    """Variants in one segment: every metric above its 95 % interval."""
    table = plain_table(
        ("model", *comparison.metrics, "coverage@100"),
        title=f"{comparison.item_type}, {segment} users: {comparison.users[segment]:,}",
        caption="mean over seeds, 95 % bootstrap interval over users",
    )
    for row in comparison.rows[segment]:
        results = [with_interval(row[metric]) for metric in comparison.metrics]
        add_row(table, f"{row['variant']}\n{row['about']}", *results, f"{row['coverage@100']:.1%}")
    return table


def change_table(comparison: Comparison, segment: str) -> Table:
    """Variants in one segment: the difference from the full model, the paper's figure, every seed, seconds."""
    first = f"hr@{comparison.k}"
    table = plain_table(
        ("model", f"{first} to {FULL}", "in the paper", "by seed", "seconds"),
        title=f"{comparison.item_type}, {segment} users: {first} beside the full model",
        caption="*: the 95 % interval of the difference leaves out 0",
    )
    for row in comparison.rows[segment]:
        seeds = " ".join(f"{value:.3f}" for value in row[first]["seeds"])
        add_row(table, row["variant"], _change(row, first), _printed(row), seeds, f"{row['seconds']:.0f}")
    return table


def _change(row: Row, metric: str) -> str:
    return change(row[metric]["change"]) if "change" in row[metric] else ""


def _printed(row: Row) -> str:
    return "" if row["printed"] is None else f"{row['printed']:.3f}"
