"""What the runs of a suite share: data, text vectors, edges, and one graph model per graph and seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Floats
from colisten.evaluation.suite.graphs import graph_of
from colisten.evaluation.suite.variants import GraphVariant
from colisten.gnn.embedding import embed_items, load_embeddings
from colisten.gnn.training import train_gnn
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.listening.data import ListeningData
from colisten.listening.other_interactions import with_interactions
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import replacing_folder


@dataclass(frozen=True)
class SharedArtefacts:
    """Everything that is made once; kept in `folder`, so that a suite that was stopped resumes."""

    data: ListeningData
    text: Floats
    """float32 [items, width]"""
    settings: Settings
    folder: Path
    progress: Progress

    def prepare(self) -> None:
        """Make what does not depend on the seed: edges, and the data without weak signals."""
        if not (self.folder / "edges" / FILE).exists():
            build_edges(self.data, self.settings.graph, self.folder / "edges", self.progress)
        if not (self.folder / "strong").exists():
            with replacing_folder(self.folder / "strong") as draft:
                with_interactions(self.data, self.data.streams, draft)

    @cached_property
    def edges(self) -> pl.DataFrame:
        """The whole co-listening graph: `src`, `dst`, `weight`; after `prepare`."""
        return pl.read_parquet(self.folder / "edges" / FILE, columns=["src", "dst", "weight"], glob=False)

    @property
    def without_weak(self) -> ListeningData:
        """The data without weak signals; after `prepare`."""
        return ListeningData(self.folder / "strong")

    def embeddings(self, variant: GraphVariant, seed: int) -> Floats:
        """Node embeddings of a variant's graph model, of length 1.

        float32 [items, dim], or [items + users, dim] where users are nodes.

        Raises:
            GraphError: the graph has no edges.
        """
        folder = self.folder / "graphs" / f"{variant.name}-{seed}"
        if not (folder / "items.safetensors").exists():
            options = self.settings.gnn.model_copy(update={"balance": variant.balance})
            with graph_of(variant, self.data, self.edges, self.settings) as adjacency:
                text = np.zeros((len(adjacency.node_type), self.text.shape[1]), np.float32)
                text[: len(self.text)] = self.text
                train_gnn(adjacency, text, options, seed=seed, folder=folder, progress=self.progress)
                embed_items(adjacency, text, folder, self.progress)
        return load_embeddings(folder)
