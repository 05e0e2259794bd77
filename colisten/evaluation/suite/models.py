"""A variant and a seed → a fitted recommender, in the paper's own way."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from colisten.arrays import Floats
from colisten.cores import half_the_cores
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.interaction_matrix import read_interaction_matrix
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.vectors import ByVectors, mean_of_heard
from colisten.evaluation.suite.shared_artefacts import SharedArtefacts
from colisten.evaluation.suite.variants import GraphVariant, Variant
from colisten.towers.inputs import TowerInputs
from colisten.towers.selection.two_tower_search import default_options
from colisten.towers.two_tower.trainer import TwoTowerTrainer

POPULAR_DAYS = 90
_USERS = 4096
"""Users encoded at once."""


def fitted(variant: Variant, artefacts: SharedArtefacts, seed: int) -> Baseline:
    """Train what the variant needs.

    Raises:
        GraphError: its graph has no edges.
    """
    match variant:
        case Variant(model="popularity"):
            found: Baseline = Popularity(days=POPULAR_DAYS)
        case Variant(model="text"):
            found = _near_the_mean(artefacts, artefacts.text)
        case Variant(model="graph", graph=GraphVariant() as graph):
            found = _graph_alone(artefacts, graph, seed)
        case _:
            found = _towers(variant, artefacts, seed)
    return found.fit(artefacts.data)


def _graph_alone(artefacts: SharedArtefacts, graph: GraphVariant, seed: int) -> ByVectors:
    vectors, items = artefacts.embeddings(graph, seed), len(artefacts.data.items)
    return ByVectors(vectors[items:], vectors[:items]) if graph.users else _near_the_mean(artefacts, vectors)


def _near_the_mean(artefacts: SharedArtefacts, vectors: Floats) -> ByVectors:
    """Users as the mean of the target items that they streamed or gave a weak signal for."""
    history = read_interaction_matrix(artefacts.data)
    of_target = artefacts.data.of_type(artefacts.settings.target).astype(np.float32)
    touched = (history.with_weak(1.0) @ sparse.diags(of_target)).tocsr()
    return ByVectors(mean_of_heard(touched, vectors), vectors)


def _towers(variant: Variant, artefacts: SharedArtefacts, seed: int) -> ByVectors:
    """The two towers alone, for so many epochs as are set (the paper's way: no validation chooses among them)."""
    settings = artefacts.settings.model_copy(update={"seed": seed})
    data = artefacts.data if variant.weak else artefacts.without_weak
    empty = np.empty((len(data.items), 0), np.float32)
    embeddings = empty if variant.graph is None else artefacts.embeddings(variant.graph, seed)
    inputs = TowerInputs.of(data, artefacts.text, embeddings, settings)
    run = TwoTowerTrainer(
        inputs.training_set(inputs.everybody, settings, default_options(settings.towers)), seed, settings.towers.epochs
    )
    with half_the_cores():
        for epoch in range(1, settings.towers.epochs + 1):
            run.epoch(artefacts.progress, f"training the towers, epoch {epoch} of {settings.towers.epochs}")
        everyone = np.arange(len(inputs.everybody))
        blocks = [inputs.everybody.take(everyone[at : at + _USERS]) for at in range(0, len(everyone), _USERS)]
        users = np.concatenate([run.user_vectors(run.data.features.encode(block)) for block in blocks])
        return ByVectors(users, run.item_vectors(np.arange(len(data.items))))
