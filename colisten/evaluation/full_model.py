"""The full model as one recommender among others: graph network and towers, trained without Neo4j and Qdrant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.gnn.embedding import embed_items
from colisten.gnn.held_out_embeddings import embed_held_out
from colisten.gnn.in_memory import NO_EDGES, graph_in_memory
from colisten.gnn.node_types import group_types
from colisten.gnn.training import train_gnn
from colisten.graph_store.relations.edges import relation_edges
from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories
from colisten.listening.history_reading import read_histories
from colisten.progress import Progress
from colisten.settings import GraphSettings, Settings
from colisten.towers.relations import relation_matrices
from colisten.towers.selection.pruning import choose_pruning
from colisten.towers.training import train_towers
from colisten.towers.user_encoder import UserEncoder


@dataclass
class FullModel(Baseline):
    """Edges, graph network and towers, as `colisten run` trains them with these settings.

    The graph is a snapshot of the edges in memory: sampled from it, a batch is the one that Neo4j would give.
    """

    text: Floats
    """float32 [items, width]"""
    settings: Settings
    folder: Path
    """An empty one, for what is trained."""
    progress: Progress
    graph: bool = True
    """With a graph network; without one, the towers see text and columns alone."""

    def _fit(self, data: ListeningData) -> None:
        relations = self.settings.graph.relations
        self._others = relation_edges(data, self.text, relations, self.progress) if self.graph else NO_EDGES
        if self.graph:
            options = choose_pruning(data, self.settings, self.folder, self.progress).options
            embeddings = self._embed(data, options)
        else:
            options, embeddings = self.settings.graph, _no_embeddings(data)
        train_towers(
            data, self.text, embeddings, lambda histories: self._embed_held_out(data, histories, options),
            self.settings, self.folder / "towers", self.progress,
            relation_matrices(self._others, len(data.items), options.relations),
        )  # fmt: skip
        self._histories = read_histories(data)
        self._encoder = UserEncoder.load(self.folder / "towers")

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return self._encoder.encode(self._histories.take(users)).scores(self._encoder.item_vectors, items)

    def _embed(self, data: ListeningData, options: GraphSettings) -> Floats:
        settings, folder = self.settings, self.folder / "gnn"
        types = group_types(data, settings.target, settings.gnn.node_types)
        with graph_in_memory(data, types, options, self.folder / "edges", self.progress, self._others) as adjacency:
            train_gnn(adjacency, self.text, settings.gnn, seed=settings.seed, folder=folder, progress=self.progress)
            return embed_items(adjacency, self.text, folder, self.progress)

    def _embed_held_out(self, data: ListeningData, histories: UserHistories, options: GraphSettings) -> Floats:
        """Item embeddings from the interactions in `histories` alone, for model selection."""
        if not self.graph:
            return _no_embeddings(data)
        settings = self.settings.model_copy(update={"graph": options})
        return embed_held_out(data, histories, self.text, settings, self.folder / "gnn", self.progress, self._others)


def _no_embeddings(data: ListeningData) -> Floats:
    return np.empty((len(data.items), 0), np.float32)
