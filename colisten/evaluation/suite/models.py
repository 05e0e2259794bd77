"""Training the model of a variant under a seed, as the paper does."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from colisten.arrays import Floats
from colisten.cores import torch_threads
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.interaction_matrix import read_interaction_matrix
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.vector_model import VectorModel, mean_item_vectors
from colisten.evaluation.suite.shared_artefacts import SharedArtefacts
from colisten.evaluation.suite.variants import GraphVariant, Variant
from colisten.towers.inputs import TowerInputs
from colisten.towers.selection.two_tower_search import default_options
from colisten.towers.two_tower.trainer import TwoTowerTrainer

POPULAR_DAYS = 90
_USERS = 4096
"""Users encoded at once."""


def fit_variant(variant: Variant, artefacts: SharedArtefacts, seed: int) -> Baseline:
    """The variant's recommender, fitted.

    Raises:
        GraphError: its graph has no edges.
    """
    match variant:
        case Variant(model="popularity"):
            found: Baseline = Popularity(days=POPULAR_DAYS)
        case Variant(model="text"):
            found = _mean_profile(artefacts, artefacts.text)
        case Variant(model="graph", graph=GraphVariant() as graph):
            found = _graph_model(artefacts, graph, seed)
        case _:
            found = _towers(variant, artefacts, seed)
    return found.fit(artefacts.data)


def _graph_model(artefacts: SharedArtefacts, graph: GraphVariant, seed: int) -> VectorModel:
    vectors, items = artefacts.embeddings(graph, seed), len(artefacts.data.items)
    return VectorModel(vectors[items:], vectors[:items]) if graph.users else _mean_profile(artefacts, vectors)


def _mean_profile(artefacts: SharedArtefacts, vectors: Floats) -> VectorModel:
    """Users as the mean vector of the target items that they have any event with."""
    interactions = read_interaction_matrix(artefacts.data).with_weak(1.0)
    of_target = artefacts.data.of_type(artefacts.settings.target).astype(np.float32)
    return VectorModel(mean_item_vectors((interactions @ sparse.diags(of_target)).tocsr(), vectors), vectors)


def _towers(variant: Variant, artefacts: SharedArtefacts, seed: int) -> VectorModel:
    """The two towers alone, for `towers.epochs` epochs: as in the paper, without early stopping."""
    settings = artefacts.settings.model_copy(update={"seed": seed})
    data = artefacts.data if variant.weak else artefacts.without_weak
    empty = np.empty((len(data.items), 0), np.float32)
    embeddings = empty if variant.graph is None else artefacts.embeddings(variant.graph, seed)
    inputs = TowerInputs.of(data, artefacts.text, embeddings, settings)
    histories, epochs = inputs.everybody, settings.towers.epochs
    training_set = inputs.training_set(histories, settings, default_options(settings.towers))
    trainer = TwoTowerTrainer(training_set, seed, epochs)
    with torch_threads():
        for epoch in range(1, epochs + 1):
            trainer.epoch(artefacts.progress, f"training the towers, epoch {epoch} of {epochs}")
        users = np.arange(len(histories))
        blocks = [histories.take(users[at : at + _USERS]) for at in range(0, len(users), _USERS)]
        vectors = np.concatenate([trainer.user_vectors(inputs.features.encode(block)) for block in blocks])
        return VectorModel(vectors, trainer.item_vectors(np.arange(len(data.items))))
