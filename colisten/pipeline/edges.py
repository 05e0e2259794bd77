"""Stage `edges`: compute the co-listening edges, pruned as set or as validation selects."""

from __future__ import annotations

import json

from colisten.errors import DataError
from colisten.listening.data import ListeningData
from colisten.pipeline.stage import Context, Stage, files_in
from colisten.settings import GraphSettings
from colisten.workdir import file_digest, write_json

_PRUNING = "pruning.json"


def _run(context: Context) -> str:
    from colisten.graph_store.edge_summary import FILE
    from colisten.graph_store.edges import build_edges
    from colisten.towers.selection.pruning import choose_pruning

    data, folder, say = ListeningData(context.workdir.listening), context.workdir.co_listened, context.progress.say
    choice = choose_pruning(data, context.settings, folder, context.progress)
    pruning = choice.options.model_dump(include={"top_k", "shrinkage"})
    if choice.ndcg:
        found = ", ".join(f"{top_k} by {shrinkage:g}: {ndcg:.3f}" for (top_k, shrinkage), ndcg in choice.ndcg.items())
        say(f"  {choice.options.top_k} edges per item and edge type, weights shrunk by {choice.options.shrinkage:g} "
            f"listeners (validation NDCG {found})")  # fmt: skip
    summary = build_edges(data, choice.options, folder, context.progress, engine=context.settings.engine)
    if not summary.total:
        (folder / FILE).unlink()  # it took the place of one that may be asked for again
        raise DataError(
            f"No two items share {choice.options.min_listeners} listeners or more (graph.min_listeners), so the graph "
            "would have no edge: bring more listening, or name the signals that mean it (signals.strong)."
        )
    tried = [tried._asdict() | {"ndcg": ndcg} for tried, ndcg in choice.ndcg.items()]
    write_json(folder / _PRUNING, pruning | {"validation": tried})
    return file_digest(folder / FILE)


def built_with(context: Context) -> GraphSettings:
    """The graph's settings with the `top_k` and the `shrinkage` that the edges were built with."""
    found = json.loads((context.workdir.co_listened / _PRUNING).read_text())
    return context.settings.graph.model_copy(update={name: found[name] for name in ("top_k", "shrinkage")})


def _output_exists(context: Context) -> bool:
    return all((context.workdir.co_listened / name).exists() for name in ("edges.parquet", _PRUNING))


STAGE = Stage(
    "edges",
    "Computing co-listening edges",
    depends_on=("listening",),
    settings=(
        "graph.min_listeners",
        "graph.items_per_user",
        "graph.top_k",
        "graph.shrinkage",
        "target",
        "seed",
        "towers.minutes",
    ),
    ignores=("engine", "graph.memory_mb"),
    run=_run,
    files=files_in("edges/co_listened/*"),
    output_exists=_output_exists,
)
