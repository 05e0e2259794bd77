"""Leakage-free item embeddings for validation: those of the graph without the held-out interactions.

An edge between two items of one listener is made, or made stronger, by that listener. Whoever hides one of the two to
see whether it is found again has to hide it from the graph as well; on thin data the edge would give it away.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colisten.arrays import Floats
from colisten.gnn.embedding import embed
from colisten.gnn.in_memory import NO_EDGES, graph_in_memory
from colisten.gnn.node_types import group_types
from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories
from colisten.listening.other_interactions import with_histories
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import draft_folder


def embed_held_out(
    data: ListeningData, histories: UserHistories, text: Floats, settings: Settings, folder: Path,
    progress: Progress, others: pl.DataFrame = NO_EDGES,
) -> Floats:  # fmt: skip
    """Embed all items by the model in `folder` over the graph of these `histories` alone: float32 [items, dim].

    Args:
        data: everything; its items and types stay as they are.
        histories: of all users, what is hidden left out.
        text: float32 [items, width].
        settings: those of the graph and of the model.
        folder: where the trained model lies; the graph is made beside it, outside Neo4j, and removed again.
        progress: shows the embedding.
        others: edges of the relations that no listening is needed to know.
    """
    types = group_types(data, settings.target, settings.gnn.node_types)
    with draft_folder(folder.parent, "held-out") as scratch:
        known = with_histories(data, histories, scratch)
        graph = graph_in_memory(known, types, settings.graph, known.root, progress, others)
    with graph as adjacency:
        return embed(adjacency, text, folder, progress)
