"""Embeddings of every item, layer by layer over the whole graph, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch.nn import functional

from colisten.arrays import Floats
from colisten.gnn.hgnn import HGNN
from colisten.gnn.model_files import load_model
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.subgraph import subgraph
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.blocks import blocks
from colisten.progress import Progress
from colisten.workdir import replacing_file

_MESSAGES = 200_000
"""Messages worked on at once; an item with more neighbours than this is alone with them."""
_ROWS = 8192


def embed_items(adjacency: Adjacency, text: Floats, folder: Path, progress: Progress) -> Floats:
    """What `embed` gives, also written to `folder/items.safetensors` as `embeddings`."""
    vectors = embed(adjacency, text, folder, progress)
    with replacing_file(folder / "items.safetensors") as draft:
        save_file({"embeddings": vectors}, draft)
    return vectors


def embed(adjacency: Adjacency, text: Floats, folder: Path, progress: Progress) -> Floats:
    """Embed all items with the model in `folder`: float32 [items, dim] of length 1, by all their neighbours.

    An item without edges is embedded from its text.

    Raises:
        WorkdirError: no model has been trained for these node types.
    """
    model = load_model(folder, adjacency.node_types)
    return _all_layers(model, adjacency, NodeFeatures(text, adjacency.degrees), progress)


def load_embeddings(folder: Path) -> Floats:
    """What `embed_items` has written: float32 [items, dim]."""
    return load_file(folder / "items.safetensors")["embeddings"]


@torch.inference_mode()
def _all_layers(model: HGNN, adjacency: Adjacency, features: NodeFeatures, progress: Progress) -> Floats:
    items = len(adjacency.node_type)
    with progress.task("embedding items", total=(len(model.layers) + 1) * items) as task:
        out = _projected(model, adjacency, features)
        task.advance(items)
        for depth in range(len(model.layers)):
            said, out = out, np.empty_like(out)
            for block in blocks(adjacency, edges_at_once=_MESSAGES):
                graph = subgraph(block, adjacency, said.__getitem__)
                out[graph.seeds] = model.hop(depth, graph.features, graph, hops=0).numpy()
                task.advance(len(graph.seeds))
    return functional.normalize(torch.from_numpy(out), dim=1).numpy()


def _projected(model: HGNN, adjacency: Adjacency, features: NodeFeatures) -> Floats:
    """[items, dim] what enters the first layer."""
    out = np.empty((len(adjacency.node_type), model.shape.dim), np.float32)
    for code in range(len(adjacency.node_types)):
        members = np.flatnonzero(adjacency.node_type == code)
        for start in range(0, len(members), _ROWS):
            some = members[start : start + _ROWS]
            out[some] = model.project(torch.from_numpy(features.of(some)), [(code, len(some))]).numpy()
    return out
