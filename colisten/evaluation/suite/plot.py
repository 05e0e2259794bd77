"""The paper's comparison as a picture: HR@k of each variant, beside the paper's scaled to the full model."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from colisten.evaluation.suite.comparison import Comparison
from colisten.evaluation.suite.variants import FULL
from colisten.workdir import replacing_file

_HERE, _PRINTED = "#1b6ca8", "#b0b0b0"


def plot_suite(comparison: Comparison, path: Path) -> None:
    """Write the picture to `path`, in the format of its ending (png, svg, pdf)."""
    segments = list(comparison.rows)
    tallest = max(len(rows) for rows in comparison.rows.values())
    figure = Figure(figsize=(6 * len(segments), 1.5 + 0.42 * tallest), layout="constrained")
    axes = figure.subplots(1, len(segments), squeeze=False)[0]
    for axis, segment in zip(axes, segments, strict=True):
        _draw(axis, comparison, segment)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    with replacing_file(path) as draft:
        figure.savefig(draft, format=path.suffix.removeprefix("."), dpi=150)


def _draw(axis: Axes, comparison: Comparison, segment: str) -> None:
    metric, rows = f"hr@{comparison.k}", comparison.rows[segment]
    figures = [row[metric] for row in rows]
    places = range(len(rows))
    middle = [figure["mean"] for figure in figures]
    around = [
        [figure["mean"] - figure["low"] for figure in figures],
        [figure["high"] - figure["mean"] for figure in figures],
    ]
    axis.barh(places, middle, xerr=around, height=0.6, color=_HERE, ecolor="black", capsize=2, label="here, 95 %")
    full = next((row for row in rows if row["variant"] == FULL), None)
    if full and full["printed"]:
        scale = full[metric]["mean"] / full["printed"]
        marked = [(place, row["printed"] * scale) for place, row in enumerate(rows) if row["printed"] is not None]
        axis.scatter(
            [value for _, value in marked], [place for place, _ in marked], marker="D", color=_PRINTED,
            edgecolors="black", zorder=3, label=f"paper, scaled to the {FULL} of here",
        )  # fmt: skip
    axis.set_yticks(places, [f"{row['variant']}: {row['about']}" for row in rows])
    axis.invert_yaxis()
    axis.set_xlabel(f"HR@{comparison.k}, {segment} users ({comparison.users[segment]:,})")
