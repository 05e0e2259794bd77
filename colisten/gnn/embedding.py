"""Embeddings of every item, layer by layer over the whole graph, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch.nn import functional

from colisten.arrays import Floats, Int64s
from colisten.gnn.batches import Features
from colisten.gnn.hgnn import HGNN
from colisten.gnn.model_files import load_model
from colisten.gnn.subgraph import Subgraph, subgraph
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.progress import Progress, Task
from colisten.workdir import replacing_file

_MESSAGES = 200_000
"""Messages worked on at once; an item with more neighbours than this is alone in its batch."""


def embed_items(adjacency: Adjacency, text: Floats, folder: Path, progress: Progress) -> Floats:
    """Embed all items with the model in `folder`: float32 [items, dim] of length 1, by all their neighbours.

    Also written to `folder/items.safetensors` as `embeddings`. An item without edges is embedded from its text.

    Raises:
        WorkdirError: no model has been trained for these node types.
    """
    model = load_model(folder, adjacency.node_types)
    vectors = _all_layers(model, adjacency, Features(text, adjacency.degrees), progress)
    with replacing_file(folder / "items.safetensors") as draft:
        save_file({"embeddings": vectors}, draft)
    return vectors


def load_embeddings(folder: Path) -> Floats:
    """What `embed_items` has written: float32 [items, dim]."""
    return load_file(folder / "items.safetensors")["embeddings"]


@torch.inference_mode()
def _all_layers(model: HGNN, adjacency: Adjacency, features: Features, progress: Progress) -> Floats:
    layers = len(model.layers)
    items = np.arange(len(adjacency.node_type))
    with progress.task("embedding items", total=(layers + 1) * len(items)) as task:
        out = _projected(model, adjacency, features, task)
        for depth in range(layers):
            said, out = out, np.empty_like(out)
            for batch in _batches(adjacency):
                graph = _star(adjacency, batch, said)
                out[batch] = model.hop(depth, graph.features, graph, hops=0).numpy()
                task.advance(len(batch))
    return functional.normalize(torch.from_numpy(out), dim=1).numpy()


def _projected(model: HGNN, adjacency: Adjacency, features: Features, task: Task) -> Floats:
    """[items, dim] what enters the first layer."""
    out = np.empty((len(adjacency.node_type), model.shape.dim), np.float32)
    for batch in _batches(adjacency):
        kind = torch.from_numpy(adjacency.node_type[batch].astype(np.int64))
        out[batch] = model.project(torch.from_numpy(features.of(batch)), kind).numpy()
        task.advance(len(batch))
    return out


def _batches(adjacency: Adjacency) -> Iterator[Int64s]:
    """All items in order, cut so that a batch has about `_MESSAGES` neighbours and items together."""
    total = np.cumsum(adjacency.degrees.sum(axis=1, dtype=np.int64) + 1)
    cuts = np.flatnonzero(np.diff(total // _MESSAGES)) + 1
    yield from np.split(np.arange(len(total)), cuts)


def _star(adjacency: Adjacency, batch: Int64s, said: Floats) -> Subgraph:
    """Some items and all their neighbours, with `said` [items, dim] for features."""
    rows = adjacency.neighbours(batch)
    nodes = np.concatenate([batch, np.setdiff1d(rows.items, batch)]).astype(np.int64)
    place = np.argsort(nodes)
    src = place[np.searchsorted(nodes, rows.items, sorter=place)]
    dst = np.repeat(np.arange(len(batch)), np.diff(rows.indptr))
    hops = (len(batch), len(nodes) - len(batch))
    around = Neighbourhood(nodes, src, dst, rows.weights, hops, (len(src),))
    return subgraph(around, adjacency.node_type[nodes], len(adjacency.node_types), said[nodes])
