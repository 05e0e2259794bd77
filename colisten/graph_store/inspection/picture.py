"""A node-link picture of an item and its neighbours: a sector for each relation and item type, line width by weight."""

from __future__ import annotations

from collections import Counter
from html import escape
from pathlib import Path
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from colisten.figures import COLOURS, html_figure, html_table, write_page
from colisten.graph_store.inspection.show import ItemView, Neighbour
from colisten.letters import printable
from colisten.workdir import replacing_file

_LETTERS = 34
_SPOKES = 48


def write_picture(view: ItemView, path: Path) -> None:
    """Write `path`: a PNG, or an HTML page that holds everything it shows."""
    figure, name = draw_item(view), _title(view)
    if path.suffix == ".png":
        with replacing_file(path) as draft:
            figure.savefig(draft, format="png", dpi=150)
        return
    rows = [
        (group.relation, group.item_type, n.title, n.id, n.listeners, round(n.weight, 3))
        for group in view.groups
        for n in group.neighbours
    ]
    table = html_table(("relation", "type", "title", "id", "shared listeners", "weight"), rows)
    caption = "Lines are as wide as the edge is strong, compared with the strongest of its relation and type."
    write_page(path, name, [f"<h1>{escape(name)}</h1>", html_figure(figure, caption), table])


def draw_item(view: ItemView) -> Figure:
    """The item in the middle, its neighbours around it, group by group, strongest first."""
    near = _drawn(view)
    figure = Figure(figsize=(11, 9), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-2.1, 2.1), ylim=(-1.5, 1.5), aspect="equal")
    axes.set_axis_off()
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(view.groups))]
    for angle, (of, neighbour) in zip(np.linspace(0.5, -1.5, len(near), endpoint=False) * np.pi, near, strict=True):
        _spoke(axes, float(angle), neighbour, neighbour.weight / view.groups[of].neighbours[0].weight, colours[of])
    axes.scatter([0], [0], s=260, color="#222", zorder=3)
    axes.set_title(f"{shorten(_title(view), 80)}\n{printable(view.item_type)}", parse_math=False, fontsize=12)
    _legend(axes, view, Counter(of for of, _ in near), colours)
    return figure


def _drawn(view: ItemView) -> list[tuple[int, Neighbour]]:
    """The place of a group and a neighbour in it; no more than can be read: of every group as many, the strongest."""
    near = [
        (rank, of, neighbour) for of, group in enumerate(view.groups) for rank, neighbour in enumerate(group.neighbours)
    ]
    kept = sorted(near, key=lambda each: each[:2])[:_SPOKES]
    return [(of, neighbour) for _, of, neighbour in sorted(kept, key=lambda each: (each[1], each[0]))]


def _spoke(axes: Axes, angle: float, neighbour: Neighbour, share: float, colour: str) -> None:
    x, y = np.cos(angle), np.sin(angle)
    axes.plot([0, x], [0, y], color=colour, linewidth=0.8 + 6 * share, alpha=0.35 + 0.5 * share, zorder=1)
    axes.scatter([x], [y], s=60, color=colour, zorder=2)
    side = "left" if x > 0.05 else "right" if x < -0.05 else "center"
    text = shorten(printable(neighbour.title or neighbour.id), _LETTERS, placeholder="…")
    if neighbour.listeners is not None:
        text += f" ({neighbour.listeners:,})"
    axes.text(1.06 * x, 1.08 * y, text, parse_math=False, ha=side, va="center", fontsize=8)


def _legend(axes: Axes, view: ItemView, drawn: Counter[int], colours: list[str]) -> None:
    marks = [
        Line2D([], [], color=colours[of], marker="o", label=f"{printable(group.name)}: {drawn[of]} of {group.degree:,}")
        for of, group in enumerate(view.groups)
        if drawn[of]
    ]
    if marks:
        legend = axes.legend(handles=marks, loc="lower left", frameon=False, title="neighbours (shared listeners)")
        for text in legend.get_texts():
            text.set_parse_math(False)


def _title(view: ItemView) -> str:
    return printable(view.properties.get("title") or view.properties["id"])
