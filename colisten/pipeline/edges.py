"""Stage `edges`: compute the co-listening edges, pruned as set or as validation selects."""

from __future__ import annotations

import json

from colisten.errors import DataError
from colisten.listening.data import ListeningData
from colisten.pipeline.stage import Context, Stage, files_in
from colisten.settings import GraphSettings
from colisten.workdir import file_digest, write_json

_PRUNING = "pruning.json"
_LISTED = 10
"""Edge types listed one by one."""


def _run(context: Context) -> str:
    from colisten.graph_store.edge_type import CO_LISTENED
    from colisten.graph_store.edges import FILE, build_edges
    from colisten.towers.selection.top_k import choose_top_k

    data, folder, say = ListeningData(context.workdir.listening), context.workdir.edges, context.progress.say
    choice = choose_top_k(data, context.settings, folder, context.progress)
    if choice.ndcg:
        found = ", ".join(f"{top_k}: {ndcg:.3f}" for top_k, ndcg in sorted(choice.ndcg.items()))
        say(f"  {choice.options.top_k} edges per item and edge type (validation NDCG {found})")
    summary = build_edges(data, choice.options, folder, context.progress)
    if not any(edge_type.relation == CO_LISTENED for edge_type in summary.edges):
        (folder / FILE).unlink()  # it took the place of one that may be asked for again
        raise DataError(
            f"No two items share {choice.options.min_listeners} listeners or more (graph.min_listeners), so the graph "
            "would have no edge: bring more listening, or name the signals that mean it (signals.strong)."
        )
    write_json(folder / _PRUNING, {"top_k": choice.options.top_k, "validation": choice.ndcg})
    ranked = sorted(summary.edges.items(), key=lambda entry: -entry[1])
    for edge_type, count in ranked[:_LISTED]:
        say(f"  {edge_type.src} – {edge_type.dst}, {edge_type.relation}: {count:,} edges")
    if rest := ranked[_LISTED:]:
        say(f"  {len(rest)} further edge types: {sum(count for _, count in rest):,} edges")
    say(f"  {sum(summary.isolated.values()):,} of {sum(summary.items.values()):,} items have no edge")
    return file_digest(folder / FILE)


def built_with(context: Context) -> GraphSettings:
    """The graph's settings with the `top_k` that the edges were built with."""
    top_k = json.loads((context.workdir.edges / _PRUNING).read_text())["top_k"]
    return context.settings.graph.model_copy(update={"top_k": top_k})


def _output_exists(context: Context) -> bool:
    return all((context.workdir.edges / name).exists() for name in ("edges.parquet", _PRUNING))


STAGE = Stage(
    "edges",
    "Computing co-listening edges",
    depends_on=("listening",),
    settings=("graph.*", "target", "seed", "towers.minutes"),
    ignores=("graph.engine", "graph.memory_mb"),
    run=_run,
    files=files_in("edges/*"),
    output_exists=_output_exists,
)
