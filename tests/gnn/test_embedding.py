from pathlib import Path

import numpy as np
import pytest
import torch

from colisten.gnn import embedding
from colisten.gnn.embedding import embed_items, load_embeddings
from colisten.gnn.model import seed_vectors
from colisten.gnn.model_files import load_model
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.training import train_gnn
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.progress import Progress
from tests.gnn import worlds

QUIET = Progress(quiet=True)


def test_layer_by_layer_is_the_model_on_whole_neighbourhoods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adjacency, text, _ = worlds.cliques(size=24, extra=3)
    options = worlds.QUICK.model_copy(update={"max_epochs": 2})
    train_gnn(adjacency, text, options, seed=1, folder=tmp_path, progress=QUIET)
    monkeypatch.setattr(embedding, "_MESSAGES", 100)
    monkeypatch.setattr(embedding, "_ROWS", 10)
    vectors = embed_items(adjacency, text, tmp_path, QUIET)
    assert vectors.dtype == np.float32
    assert np.array_equal(load_embeddings(tmp_path), vectors)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    around = NeighbourSampler(adjacency, (-1, -1)).sample(np.arange(51), np.random.default_rng(0))
    data = to_hetero_data(around, adjacency, NodeFeatures(text, adjacency.degrees).of)
    seeds = np.concatenate([data[name].n_id[: data[name].num_sampled_nodes[0]] for name in data.node_types])
    with torch.no_grad():
        expected = seed_vectors(load_model(tmp_path, adjacency)[0], data).numpy()
    np.testing.assert_allclose(vectors[seeds], expected, atol=1e-5)


def test_an_item_nobody_has_heard_is_placed_by_its_text(tmp_path: Path) -> None:
    adjacency, text, _ = worlds.cliques()
    train_gnn(adjacency, text, worlds.QUICK, seed=1, folder=tmp_path, progress=QUIET)
    grown, texts, community = worlds.cliques(extra=10)
    vectors = embed_items(grown, texts, tmp_path, QUIET)
    new, old = vectors[48:], vectors[:48]
    own = np.where(community[48:, None] == community[:48], new @ old.T, np.nan)
    other = np.where(community[48:, None] != community[:48], new @ old.T, np.nan)
    assert (np.nanmean(own, axis=1) > np.nanmean(other, axis=1)).all()
