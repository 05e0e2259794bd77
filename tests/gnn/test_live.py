"""The model trained straight from a real Neo4j."""

from pathlib import Path

import numpy as np
import torch
from neo4j import Driver

from colisten.gnn.embedding import embed_items
from colisten.gnn.training import train_gnn
from colisten.graph_store.endpoint import Endpoint
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.progress import Progress
from tests.gnn import worlds
from tests.graph_store.stream.graphs import load, random_graph

QUIET = Progress(quiet=True)


def test_from_neo4j_as_from_memory(neo4j_endpoint: Endpoint, neo4j_driver: Driver, tmp_path: Path) -> None:
    graph = random_graph(150, 1_500, seed=1)
    load(neo4j_driver, graph)
    text = np.random.default_rng(0).normal(size=(150, 8)).astype(np.float32)
    options = worlds.QUICK.model_copy(update={"max_epochs": 2})
    snapshot = graph.adjacency()
    kinds = graph.node_types
    with LiveAdjacency.open(neo4j_endpoint, connections=2, node_type=graph.node_type, node_types=kinds) as live:
        models = [
            train_gnn(adjacency, text, options, seed=3, folder=tmp_path / name, progress=QUIET)
            for name, adjacency in (("live", live), ("snapshot", snapshot))
        ]
        vectors = embed_items(live, text, tmp_path / "live", QUIET)
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        assert torch.equal(one, other)
    assert np.array_equal(vectors, embed_items(snapshot, text, tmp_path / "snapshot", QUIET))
