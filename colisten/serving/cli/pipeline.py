"""The stages from listening data to a published index, each a few lines that call its room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.listening.data import ListeningData
from colisten.serving.cli.stages import Context, Stage, finished
from colisten.serving.profiles import LAYOUT
from colisten.workdir import file_digest, write_json

if TYPE_CHECKING:
    from colisten.arrays import Floats
    from colisten.graph_store.stream.live import LiveAdjacency
    from colisten.towers.listeners import Listeners

_PRUNING = "pruning.json"
_SAID = 10
"""Edge types told one by one."""


def listening_of(context: Context) -> ListeningData:
    """The checked data of this working folder."""
    return ListeningData(context.workdir.listening)


# --- listening -------------------------------------------------------------------------------------------------------


def _source_state(context: Context) -> object:
    from colisten.listening.files import Source

    source = Source.open(context.source)
    files = [path for table in ("interactions", "items", "users") for path in source.files(table)]
    settings = context.settings
    return [[(path, source.system.ukey(path)) for path in files], settings.target, settings.taste, settings.signals]


def _import(context: Context) -> str:
    from colisten.listening.importing import import_data

    data = import_data(context.source, context.workdir.listening, context.settings, context.progress)
    return imported_digest(data.root)


def imported_digest(folder: Path) -> str:
    """What later stages look at of the imported data."""
    return file_digest(*(folder / f"{name}.parquet" for name in ("interactions", "items", "users")))


# --- edges -----------------------------------------------------------------------------------------------------------


def _build_edges(context: Context) -> str:
    from colisten.graph_store.edges import FILE, build_edges
    from colisten.towers.pruning import choose_pruning

    data, settings, folder = listening_of(context), context.settings, context.workdir.edges
    pruned = choose_pruning(data, settings, folder, context.progress)
    if pruned.gains:
        found = ", ".join(f"{top_k}: {gain:.3f}" for top_k, gain in sorted(pruned.gains.items()))
        context.progress.say(f"  {pruned.options.top_k} edges per item and type (on hidden listening {found})")
    summary = build_edges(data, pruned.options, folder, context.progress)
    write_json(folder / _PRUNING, {"top_k": pruned.options.top_k, "validation": pruned.gains})
    ranked = sorted(summary.edges.items(), key=lambda entry: -entry[1])
    for (one, other), count in ranked[:_SAID]:
        context.progress.say(f"  {one} – {other}: {count:,} edges")
    if rest := ranked[_SAID:]:
        context.progress.say(f"  {len(rest)} further edge types: {sum(count for _, count in rest):,} edges")
    alone = sum(summary.isolated.values())
    context.progress.say(f"  {alone:,} of {sum(summary.items.values()):,} items have no edge")
    return file_digest(context.workdir.edges / FILE)


# --- graph -----------------------------------------------------------------------------------------------------------


def _load_graph(context: Context) -> str:
    from colisten.graph_store.edges import FILE
    from colisten.graph_store.loading import load_graph

    edges = context.workdir.edges / FILE
    loaded = load_graph(
        listening_of(context), edges, context.settings, context.workdir, context.progress, replace=context.replace
    )
    return loaded.marker.version


def _graph_place(context: Context) -> list[object]:
    return [context.settings.neo4j.uri, context.settings.neo4j.database]


# --- gnn -------------------------------------------------------------------------------------------------------------


def _encode_text(context: Context) -> str:
    from colisten.gnn.text import encode_items

    folder = context.workdir.features
    encode_items(listening_of(context), context.settings.text, folder, context.progress)
    return file_digest(folder / "text.safetensors")


def _train_gnn(context: Context) -> str:
    from colisten.gnn.text import load_text
    from colisten.gnn.training import train_hgnn

    settings, folder = context.settings, context.workdir.gnn
    text = load_text(context.workdir.features)
    with streaming_graph(context) as adjacency:
        train_hgnn(
            adjacency, text, settings.gnn, seed=settings.seed, folder=folder, progress=context.progress,
            lineage=listening_of(context).lineage,
        )  # fmt: skip
    return file_digest(folder / "model.safetensors")


def _is_trained(context: Context) -> bool:
    """Is there a graph model, and does it know the item types of today?"""
    from colisten.gnn.node_types import group_types, trained_types

    settings, known = context.settings, trained_types(context.workdir.gnn)
    return known == group_types(listening_of(context), settings.target, settings.gnn.node_types).names


def _embed(context: Context) -> str:
    from colisten.gnn.embedding import embed_items
    from colisten.gnn.text import load_text

    folder = context.workdir.gnn
    with streaming_graph(context) as adjacency:
        embed_items(adjacency, load_text(context.workdir.features), folder, context.progress)
    return file_digest(folder / "items.safetensors")


def streaming_graph(context: Context) -> LiveAdjacency:
    """The graph as the model sees it, streamed from Neo4j."""
    from colisten.gnn.node_types import group_types
    from colisten.graph_store.connection import find_endpoint
    from colisten.graph_store.stream.live import LiveAdjacency

    settings = context.settings
    types = group_types(listening_of(context), settings.target, settings.gnn.node_types)
    return LiveAdjacency.open(
        find_endpoint(settings, context.workdir, context.progress),
        node_type=types.of_item,
        node_types=types.names,
        cache_mb=settings.gnn.cache_mb,
        connections=settings.neo4j.connections,
        database=settings.neo4j.database,
    )


def _learned_by(context: Context, options: object) -> object:
    """What a training depends on beside the stages before it; what was learned from data that has gone may not stay."""
    settings = context.settings
    edges = [settings.graph.min_listeners, settings.graph.items_per_user, settings.graph.top_k]
    return [options, settings.target, settings.seed, settings.text.encoder, edges, listening_of(context).lineage]


# --- towers ----------------------------------------------------------------------------------------------------------


def _train_towers(context: Context) -> str:
    from colisten.gnn.embedding import load_embeddings
    from colisten.gnn.rehearsal import embed_rehearsal
    from colisten.gnn.text import load_text
    from colisten.towers.reading import interactions_of
    from colisten.towers.towers import train_towers

    workdir, settings, progress = context.workdir, context.settings, context.progress
    data, text = listening_of(context), load_text(workdir.features)
    top_k = json.loads((workdir.edges / _PRUNING).read_text())["top_k"]
    as_built = settings.model_copy(update={"graph": settings.graph.model_copy(update={"top_k": top_k})})

    def rehearse(listeners: Listeners) -> Floats:
        return embed_rehearsal(data, interactions_of(listeners), text, as_built, workdir.gnn, progress)

    folder = workdir.towers
    train_towers(data, text, load_embeddings(workdir.gnn), rehearse, settings, folder, progress)
    return file_digest(folder / "towers.safetensors", folder / "items.safetensors")


def _has_vectors(context: Context) -> bool:
    """Are there towers, with a vector for every item of today?"""
    from colisten.towers.tensors import mapped

    vectors = context.workdir.towers / "items.safetensors"
    return vectors.exists() and len(mapped(vectors)["vectors"]) == len(listening_of(context).items)


def _write_beliefs(context: Context) -> str:
    from colisten.graph_store.loading import load_beliefs

    weights = context.workdir.towers / "weights.parquet"
    written = load_beliefs(weights, context.settings, context.workdir, context.progress)
    context.progress.say(f"  {written.upserted:,} SPEAKS_FOR edges written, {written.deleted:,} deleted")
    return file_digest(weights)


# --- serving ---------------------------------------------------------------------------------------------------------


def _write_profiles(context: Context) -> str:
    from colisten.serving.profile_writing import write_profiles

    write_profiles(listening_of(context), context.workdir.profiles, context.progress)
    return file_digest(context.workdir.profiles)


def _publish(context: Context) -> str:
    from colisten.serving.publishing import publish

    return publish(context.workdir, listening_of(context), context.settings, context.progress)


def _is_published(context: Context) -> bool:
    from colisten.serving.index.opening import open_index

    return open_index(context.workdir, context.settings).live() is not None


STAGES = (
    Stage(
        "listening",
        "Reading listening data",
        after=(),
        inputs=_source_state,
        make=_import,
        standing=lambda context: (context.workdir.listening / "summary.json").exists(),
    ),
    Stage(
        "edges",
        "Computing co-listening edges",
        after=("listening",),
        inputs=lambda context: context.settings.graph,
        make=_build_edges,
        standing=lambda context: all((context.workdir.edges / name).exists() for name in ("edges.parquet", _PRUNING)),
    ),
    Stage(
        "graph",
        "Loading the graph into Neo4j",
        after=("listening", "edges"),
        inputs=_graph_place,
        make=_load_graph,
        standing=lambda context: bool(context.settings.neo4j.uri) or (context.workdir.neo4j / "data").exists(),
    ),
    Stage(
        "text",
        "Encoding texts",
        after=("listening",),
        inputs=lambda context: context.settings.text.encoder,
        make=_encode_text,
        standing=lambda context: (context.workdir.features / "text.safetensors").exists(),
    ),
    Stage(
        "gnn",
        "Training the graph network",
        after=("graph", "text"),
        inputs=lambda context: _learned_by(context, context.settings.gnn),
        make=_train_gnn,
        standing=_is_trained,
    ),
    Stage(
        "embed",
        "Embedding every item",
        after=("graph", "text", "gnn"),
        inputs=lambda context: None,
        make=_embed,
        standing=lambda context: (context.workdir.gnn / "items.safetensors").exists(),
    ),
    Stage(
        "towers",
        "Training the two towers",
        after=("listening", "text", "embed"),
        inputs=lambda context: _learned_by(context, context.settings.towers),
        make=_train_towers,
        standing=_has_vectors,
    ),
    Stage(
        "beliefs",
        "Writing what was learned into the graph",
        after=("graph", "towers"),
        inputs=lambda context: [_graph_place(context), finished(context.workdir, "graph")],
        make=_write_beliefs,
        standing=lambda context: True,
    ),
    Stage(
        "profiles",
        "Writing profiles",
        after=("listening",),
        inputs=lambda context: LAYOUT,
        make=_write_profiles,
        standing=lambda context: context.workdir.profiles.exists(),
    ),
    Stage(
        "index",
        "Publishing the index",
        after=("text", "embed", "towers", "profiles"),
        inputs=lambda context: [context.settings.qdrant.url, context.settings.qdrant.alias],
        make=_publish,
        standing=_is_published,
    ),
)
