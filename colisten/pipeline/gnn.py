"""Stage `gnn`: train the graph model on neighbourhoods streamed from Neo4j."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colisten.listening.data import ListeningData
from colisten.pipeline.records import drop_damaged
from colisten.pipeline.stage import Context, Stage, files_in
from colisten.pipeline.tracked import tracker_of
from colisten.workdir import file_digest

if TYPE_CHECKING:
    from colisten.graph_store.stream.live import LiveAdjacency


def _run(context: Context) -> str:
    from colisten.gnn.training import train_gnn
    from colisten.text.encoding import load_text

    settings, folder = context.settings, context.workdir.gnn
    drop_damaged(context.workdir, "gnn")
    text = load_text(context.workdir.features)
    with live_adjacency(context) as adjacency:
        train_gnn(
            adjacency, text, settings.gnn, seed=settings.seed, folder=folder, progress=context.progress,
            lineage=ListeningData(context.workdir.listening).lineage, tracker=tracker_of(context, "gnn"),
        )  # fmt: skip
    return file_digest(folder / "model.safetensors")


def live_adjacency(context: Context) -> LiveAdjacency:
    """The graph as the model sees it, streamed from Neo4j."""
    from colisten.gnn.node_types import group_types
    from colisten.graph_store.connection import find_endpoint
    from colisten.graph_store.stream.live import LiveAdjacency

    settings = context.settings
    types = group_types(ListeningData(context.workdir.listening), settings.target, settings.gnn.node_types)
    return LiveAdjacency.open(
        find_endpoint(settings, context.workdir, context.progress),
        node_type=types.of_item,
        node_types=types.names,
        cache_mb=settings.gnn.cache_mb,
        connections=settings.neo4j.connections,
        relations=settings.graph.model_relations,
        database=settings.neo4j.database,
        spill=context.workdir.root,
    )


def _output_exists(context: Context) -> bool:
    """Is there a graph model, and does it know the item types of today?"""
    from colisten.gnn.node_types import group_types, trained_types

    settings, known = context.settings, trained_types(context.workdir.gnn)
    data = ListeningData(context.workdir.listening)
    return known == group_types(data, settings.target, settings.gnn.node_types).names


def upstream(context: Context) -> object:
    """What may not wait for a cadence: data that no longer holds what was learned from (see `listening.lineage`)."""
    return ListeningData(context.workdir.listening).lineage


def _other_inputs(context: Context) -> object:
    from colisten.gnn.model_source import source_digest

    return [upstream(context), source_digest(context.settings.gnn.model)]


UPSTREAM = (
    "graph.min_listeners", "graph.items_per_user", "graph.top_k", "graph.shrinkage", "graph.relations", "text.encoder",
    "text.max_tokens",
)  # fmt: skip
"""Settings of earlier stages: what was learned under others may not wait for a cadence."""
STREAMING = ("gnn.cache_mb", "neo4j.uri", "neo4j.database", "neo4j.connections")
"""Settings of the stream from Neo4j: it is the same whatever they are."""
STAGE = Stage(
    "gnn",
    "Training the graph network",
    depends_on=("graph", "text"),
    settings=("gnn.*", "target", "seed", *UPSTREAM),
    ignores=("gnn.prefetch", "tracking", *STREAMING),
    other_inputs=_other_inputs,
    run=_run,
    files=files_in("gnn/model.*", "gnn/training.jsonl"),
    output_exists=_output_exists,
)
