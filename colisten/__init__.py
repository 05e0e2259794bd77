"""Colisten: the open recommender for audiobooks, podcasts and whatever a platform adds next.

>>> import colisten
>>> colisten.Query(k=3).k
3
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colisten.api import add_events, evaluate, graph, open_workdir, recommender, run
    from colisten.errors import (
        ColistenError,
        DataError,
        GraphError,
        IndexStoreError,
        OutOfSpaceError,
        SettingsError,
        WorkdirError,
    )
    from colisten.gnn.embedding import load_embeddings
    from colisten.graph_store.connection import find_endpoint
    from colisten.graph_store.edge_type import EdgeType
    from colisten.graph_store.endpoint import Endpoint
    from colisten.graph_store.stream.blocks import blocks
    from colisten.graph_store.stream.edge_times import EdgeTimes
    from colisten.graph_store.stream.exclude import HeldOutEdges
    from colisten.graph_store.stream.export import export_snapshot
    from colisten.graph_store.stream.features import FeatureCache
    from colisten.graph_store.stream.hetero import to_hetero_data
    from colisten.graph_store.stream.live import LiveAdjacency
    from colisten.graph_store.stream.pyg import DatabaseFeatureStore, DatabaseGraphStore, DatabaseSampler, edge_weight
    from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
    from colisten.graph_store.stream.snapshot import SnapshotAdjacency
    from colisten.graph_store.stream.streaming import batch_key, share_of, stream
    from colisten.listening.data import ListeningData
    from colisten.listening.split import ByDays, ByQuantile, HoldOut, split_data
    from colisten.listening.synth.world import make_world
    from colisten.prefetch import prefetch_map
    from colisten.progress import Progress
    from colisten.serving.experiment.groups import create_experiment
    from colisten.serving.many import recommend_to
    from colisten.serving.query import Query, TypeQuota
    from colisten.serving.recommending import Recommender
    from colisten.serving.rules.store import Rule
    from colisten.settings import Settings
    from colisten.workdir import Workdir

__all__ = [
    "Batch",
    "ByDays",
    "ByQuantile",
    "ColistenError",
    "DataError",
    "DatabaseFeatureStore",
    "DatabaseGraphStore",
    "DatabaseSampler",
    "EdgeTimes",
    "EdgeType",
    "Endpoint",
    "FeatureCache",
    "GraphError",
    "HeldOutEdges",
    "HoldOut",
    "IndexStoreError",
    "ListeningData",
    "LiveAdjacency",
    "NeighbourSampler",
    "OutOfSpaceError",
    "Progress",
    "Query",
    "Recommender",
    "Rule",
    "Settings",
    "SettingsError",
    "SnapshotAdjacency",
    "TypeQuota",
    "Workdir",
    "WorkdirError",
    "add_events",
    "batch_key",
    "blocks",
    "create_experiment",
    "edge_weight",
    "evaluate",
    "export_snapshot",
    "find_endpoint",
    "graph",
    "load_embeddings",
    "make_world",
    "open_workdir",
    "prefetch_map",
    "recommend_to",
    "recommender",
    "run",
    "share_of",
    "split_data",
    "stream",
    "to_hetero_data",
]

_HOMES = {
    "colisten.api": ("add_events", "evaluate", "graph", "open_workdir", "recommender", "run"),
    "colisten.errors": (
        "ColistenError",
        "DataError",
        "GraphError",
        "IndexStoreError",
        "OutOfSpaceError",
        "SettingsError",
        "WorkdirError",
    ),
    "colisten.serving.experiment.groups": ("create_experiment",),
    "colisten.gnn.embedding": ("load_embeddings",),
    "colisten.graph_store.connection": ("find_endpoint",),
    "colisten.graph_store.edge_type": ("EdgeType",),
    "colisten.graph_store.endpoint": ("Endpoint",),
    "colisten.graph_store.stream.blocks": ("blocks",),
    "colisten.graph_store.stream.edge_times": ("EdgeTimes",),
    "colisten.graph_store.stream.exclude": ("HeldOutEdges",),
    "colisten.graph_store.stream.export": ("export_snapshot",),
    "colisten.graph_store.stream.features": ("FeatureCache",),
    "colisten.graph_store.stream.hetero": ("to_hetero_data",),
    "colisten.graph_store.stream.live": ("LiveAdjacency",),
    "colisten.graph_store.stream.pyg": ("DatabaseFeatureStore", "DatabaseGraphStore", "DatabaseSampler", "edge_weight"),
    "colisten.graph_store.stream.sampler": ("Batch", "NeighbourSampler"),
    "colisten.graph_store.stream.snapshot": ("SnapshotAdjacency",),
    "colisten.graph_store.stream.streaming": ("batch_key", "share_of", "stream"),
    "colisten.listening.data": ("ListeningData",),
    "colisten.listening.split": ("ByDays", "ByQuantile", "HoldOut", "split_data"),
    "colisten.listening.synth.world": ("make_world",),
    "colisten.prefetch": ("prefetch_map",),
    "colisten.progress": ("Progress",),
    "colisten.serving.many": ("recommend_to",),
    "colisten.serving.query": ("Query", "TypeQuota"),
    "colisten.serving.recommending": ("Recommender",),
    "colisten.serving.rules.store": ("Rule",),
    "colisten.settings": ("Settings",),
    "colisten.workdir": ("Workdir",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
