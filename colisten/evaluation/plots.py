"""The plots of an evaluation report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from colisten.evaluation.report import LISTENING, Report
from colisten.figures import COLOURS
from colisten.graph_store.edge_type import EdgeType
from colisten.letters import printable

_REACH = {"tail": "hits of rare items", "unseen": "hits of new items", "coverage": "coverage of the catalogue"}
_MAIN = ("all", "warm", "cold", "tail items", "unseen items")


def plot_segments(report: Report, metric: str) -> Figure:
    """The mean of a metric with its 95 % interval, recommenders side by side in each segment."""
    names = list(report.scores)
    segments = [name for name in _MAIN if name in report.segments]
    figure, axes = _axes(10, 4.2)
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        figures = [report.segments[segment][name][metric] for segment in segments]
        at = np.arange(len(segments)) + (place - (len(names) - 1) / 2) * width
        _bars(axes, at, figures, width, name, COLOURS[place % len(COLOURS)])
    axes.set_xticks(range(len(segments)), [f"{name}\n{report.segments[name]['users']:,} users" for name in segments])
    axes.set_ylabel(metric.upper())
    axes.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def _bars(axes: Axes, at: Any, figures: Sequence[Mapping[str, float]], width: float, name: str, colour: str) -> None:
    means = np.array([figure["mean"] for figure in figures])
    low, high = (np.array([figure[end] for figure in figures]) for end in ("low", "high"))
    around = np.maximum([means - low, high - means], 0)
    axes.bar(at, means, width * 0.92, yerr=around, color=colour, ecolor="#222", capsize=2, label=name)


def plot_long_tail(report: Report) -> Figure:
    """The long-tail curve: the most popular part of the catalogue against its share of all places in the lists."""
    figure, axes = _axes(6.5, 5)
    percent = np.arange(101)
    for place, (name, found) in enumerate(report.scores.items()):
        axes.plot(percent, np.multiply(found.long_tail, 100), color=COLOURS[place % len(COLOURS)], label=name)
    axes.plot(percent, np.multiply(report.training_long_tail, 100), color="#222", linestyle="--", label=LISTENING)
    axes.plot([0, 100], [0, 100], color="#bbb", linewidth=0.8)
    axes.set(xlabel="most popular part of the catalogue", ylabel=f"share of the first {report.k} places", ylim=(0, 101))
    axes.xaxis.set_major_formatter(PercentFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter())
    axes.legend(frameon=False, fontsize=8)
    return figure


def plot_coverage(report: Report) -> Figure:
    """Coverage: share of the catalogue that is in any list, of k and of 100."""
    names = list(report.scores)
    figure, axes = _axes(7, 1.2 + 0.5 * len(names))
    for shift, metric in enumerate(name for name in next(iter(report.scores.values())).lists if "coverage" in name):
        values = [report.scores[name].lists[metric] * 100 for name in names]
        axes.barh(np.arange(len(names)) + 0.36 * shift, values, 0.34, color=COLOURS[shift], label=metric)
    axes.set_yticks(np.arange(len(names)) + 0.18, names)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter())
    axes.set_xlim(0, 100)
    axes.legend(frameon=False, fontsize=8)
    return figure


def plot_frontier(report: Report) -> Figure:
    """Hits of all users against hits of rare and new items and against coverage, exploration by exploration."""
    figure, axes = _axes(7, 4.5)
    hits = [point.hits for point in report.frontier.values()]
    for place, (name, words) in enumerate(_REACH.items()):
        reach = [getattr(point, name) for point in report.frontier.values()]
        axes.plot(reach, hits, color=COLOURS[place], marker=".", label=words)
        for rate, x, y in zip(report.frontier, reach, hits, strict=True):
            axes.annotate(f"{rate:g}", (x, y), fontsize=7, xytext=(3, 3), textcoords="offset points")
    axes.set(xlabel="reach", ylabel=f"HR@{report.k}")
    axes.legend(frameon=False, fontsize=8)
    return figure


def plot_training(epochs: Sequence[Mapping[str, float]]) -> Figure:
    """Loss of the graph model in training and on its validation edges, epoch by epoch."""
    figure, axes = _axes(7, 4)
    at = [epoch["epoch"] + 1 for epoch in epochs]
    for place, name in enumerate(("loss", "validation")):
        if all(name in epoch for epoch in epochs):
            axes.plot(at, [epoch[name] for epoch in epochs], color=COLOURS[place], marker=".", label=name)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend(frameon=False)
    return figure


def plot_balance(edges: Mapping[EdgeType, int], *, balanced: bool) -> Figure:
    """Share of the graph's edges by edge type, and share of the edges that training learns from."""
    kinds = sorted(edges, key=lambda kind: -edges[kind])[:20]
    total = sum(edges.values())
    figure, axes = _axes(8, 1.4 + 0.4 * len(kinds))
    shares = [edges[kind] / total * 100 for kind in kinds]
    axes.barh(np.arange(len(kinds)), shares, 0.36, color=COLOURS[0], label="of the graph's edges")
    drawn = [100 / len(edges) if balanced else share for share in shares]
    axes.barh(np.arange(len(kinds)) + 0.38, drawn, 0.36, color=COLOURS[1], label="of the edges drawn in training")
    names = [printable(f"{kind.src} – {kind.dst}, {kind.relation}") for kind in kinds]
    axes.set_yticks(np.arange(len(kinds)) + 0.19, names, parse_math=False)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter())
    axes.legend(frameon=False, fontsize=8)
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
