"""A variant and a seed → a fitted recommender, in the paper's own way."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from colisten.arrays import Floats
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.history import read_history
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.vectors import ByVectors, mean_of_heard
from colisten.evaluation.suite.ground import Ground
from colisten.evaluation.suite.variants import GraphVariant, Variant
from colisten.gnn.cores import half_the_cores
from colisten.towers.data import Material
from colisten.towers.tower_trials import usual_way
from colisten.towers.training import Training

POPULAR_DAYS = 90
_USERS = 4096
"""Users encoded at once."""


def fitted(variant: Variant, ground: Ground, seed: int) -> Baseline:
    """Train what the variant needs.

    Raises:
        GraphError: its graph has no edges.
    """
    match variant:
        case Variant(model="popularity"):
            found: Baseline = Popularity(days=POPULAR_DAYS)
        case Variant(model="text"):
            found = _near_the_mean(ground, ground.text)
        case Variant(model="graph", graph=GraphVariant() as graph):
            found = _graph_alone(ground, graph, seed)
        case _:
            found = _towers(variant, ground, seed)
    return found.fit(ground.data)


def _graph_alone(ground: Ground, graph: GraphVariant, seed: int) -> ByVectors:
    vectors, items = ground.embeddings(graph, seed), len(ground.data.items)
    return ByVectors(vectors[items:], vectors[:items]) if graph.users else _near_the_mean(ground, vectors)


def _near_the_mean(ground: Ground, vectors: Floats) -> ByVectors:
    """Users as the mean of the target items that they streamed or gave a weak signal for."""
    history = read_history(ground.data)
    of_target = ground.data.of_type(ground.settings.target).astype(np.float32)
    touched = (history.with_weak(1.0) @ sparse.diags(of_target)).tocsr()
    return ByVectors(mean_of_heard(touched, vectors), vectors)


def _towers(variant: Variant, ground: Ground, seed: int) -> ByVectors:
    """The two towers alone, for so many epochs as are set (the paper's way: no validation chooses among them)."""
    settings = ground.settings.model_copy(update={"seed": seed})
    data = ground.data if variant.weak else ground.without_weak
    empty = np.empty((len(data.items), 0), np.float32)
    embeddings = empty if variant.graph is None else ground.embeddings(variant.graph, seed)
    material = Material.of(data, ground.text, embeddings, settings)
    run = Training(
        material.training_set(material.everybody, settings, usual_way(settings.towers)), seed, settings.towers.epochs
    )
    with half_the_cores():
        for epoch in range(1, settings.towers.epochs + 1):
            run.epoch(ground.progress, f"training the towers, epoch {epoch} of {settings.towers.epochs}")
        everyone = np.arange(len(material.everybody))
        blocks = [material.everybody.take(everyone[at : at + _USERS]) for at in range(0, len(everyone), _USERS)]
        users = np.concatenate([run.user_vectors(run.data.features.encode(block)) for block in blocks])
        return ByVectors(users, run.item_vectors(np.arange(len(data.items))))
