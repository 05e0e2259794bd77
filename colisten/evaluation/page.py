"""An evaluation report as one HTML page: metrics with intervals, curves, training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import polars as pl

from colisten.evaluation.plots import (
    plot_balance,
    plot_coverage,
    plot_frontier,
    plot_long_tail,
    plot_segments,
    plot_training,
)
from colisten.evaluation.report import Report
from colisten.figures import html_figure, html_table, write_page
from colisten.graph_store.edge_summary import EDGE_TYPE, FILE
from colisten.graph_store.edge_type import EdgeType
from colisten.letters import printable
from colisten.settings import Settings
from colisten.workdir import Workdir


def write_report(reports: Sequence[Report], workdir: Workdir, settings: Settings, folder: Path) -> Path:
    """Write `folder/report.html`, which needs nothing beside itself; returns its path."""
    parts = ["<h1>Colisten: how good are the recommendations?</h1>"]
    for report in reports:
        parts += _of_type(report)
    parts += _of_training(workdir, settings)
    page = folder / "report.html"
    write_page(page, "Colisten: evaluation", parts)
    return page


def _of_type(report: Report) -> Iterator[str]:
    counts, k = report.counts, report.k
    yield f"<h2>{escape(printable(report.item_type))}</h2>"
    yield (
        f"<p>{counts['users']:,} test users with {counts['pairs']:,} held-out streams; a catalogue of "
        f"{counts['catalogue']:,} items. Lines on the bars are 95 % bootstrap intervals over users.</p>"
    )
    for metric, words in ((f"hr@{k}", "share of users with a held-out item"), (f"ndcg@{k}", "the same, by rank")):
        yield html_figure(plot_segments(report, metric), f"{metric.upper()}: {words} among the first {k}.")
    yield html_table(("segment", "recommender", "users", "mean", "low", "high"), _figures(report, f"ndcg@{k}"))
    yield html_figure(
        plot_long_tail(report),
        f"The long tail: the share of all first {k} places that the most popular part of the catalogue has. The "
        "straight line treats all items equally; the dashed one is listening in the training data.",
    )
    yield html_figure(plot_coverage(report), "Coverage: the share of the catalogue that is in any list.")
    if report.frontier:
        words = "Hits against reach: each point is a setting of serve.exploration, from what validation chose (0) to 1."
        yield html_figure(plot_frontier(report), words)


def _figures(report: Report, metric: str) -> Iterator[tuple[object, ...]]:
    """Every segment, countries too."""
    for segment, found in report.segments.items():
        for name in report.scores:
            figure = found[name][metric]
            yield segment, name, found["users"], figure["mean"], figure["low"], figure["high"]


def _of_training(workdir: Workdir, settings: Settings) -> Iterator[str]:
    """Loss curves and edge balance, as far as the working folder has them."""
    log, edges = workdir.gnn / "training.jsonl", workdir.edges / FILE
    epochs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if epochs:
        yield "<h2>Training</h2>"
        yield html_figure(plot_training(epochs), "The graph model: loss in training, and on edges held out from it.")
    if edges.exists():
        counts = pl.scan_parquet(edges, glob=False).group_by(EDGE_TYPE).len().collect(engine="streaming").rows()
        balanced = settings.gnn.balance
        how = "drawn equally from every edge type" if balanced else "drawn in proportion to the graph"
        figure = plot_balance({EdgeType(*names): count for *names, count in counts}, balanced=balanced)
        yield html_figure(figure, f"Balance of edge types: training edges are {how}.")
