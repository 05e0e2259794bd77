"""Inference: an embedding of every item, layer by layer over the whole graph or from sampled neighbourhoods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from colisten.arrays import Floats, Int64s
from colisten.gnn.interface import LayerWise, is_layer_wise
from colisten.gnn.model import ModelSpec, seed_vectors
from colisten.gnn.model_files import load_model
from colisten.gnn.node_features import NodeFeatures
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.blocks import blocks
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.neighbourhood import Neighbourhood
from colisten.graph_store.stream.sampler import Batch, NeighbourSampler
from colisten.graph_store.stream.streaming import batch_key, stream
from colisten.progress import Progress
from colisten.workdir import replacing_file

_MESSAGES = 200_000
"""Messages worked on at once; an item with more neighbours than this is alone with them."""
_ROWS = 8192
_SEEDS = 1024
"""Items embedded at once from sampled neighbourhoods."""
_EPOCH = 1 << 41
"""An epoch number that neither training nor validation has: what is drawn for inference comes from it."""


def embed_items(adjacency: Adjacency, text: Floats, folder: Path, progress: Progress) -> Floats:
    """What `embed` gives, also written to `folder/items.safetensors` as `embeddings`."""
    vectors = embed(adjacency, text, folder, progress)
    with replacing_file(folder / "items.safetensors") as draft:
        save_file({"embeddings": vectors}, draft)
    return vectors


@torch.inference_mode()
def embed(adjacency: Adjacency, text: Floats, folder: Path, progress: Progress) -> Floats:
    """Embed all items with the model in `folder`: float32 [items, dim] of length 1.

    A `LayerWise` model sees all neighbours of every item. Any other sees neighbourhoods drawn by the fan-out that it
    was trained with, the same ones for the same seed. An item without edges is embedded from its features alone.

    Raises:
        WorkdirError: no model has been trained for these node types.
    """
    model, spec = load_model(folder, adjacency)
    features = NodeFeatures(text, adjacency.degrees)
    if is_layer_wise(model):
        return _layer_by_layer(model, spec, adjacency, features, progress)
    return _sampled(model, spec, adjacency, features, progress)


def load_embeddings(folder: Path) -> Floats:
    """What `embed_items` has written: float32 [items, dim]."""
    return load_file(folder / "items.safetensors")["embeddings"]


def _layer_by_layer(
    model: LayerWise, spec: ModelSpec, adjacency: Adjacency, features: NodeFeatures, progress: Progress
) -> Floats:
    items = len(adjacency.node_type)
    with progress.task("embedding items", total=(model.num_layers + 1) * items) as task:
        out = _projected(model, spec, adjacency, features)
        task.advance(items)
        for layer in range(model.num_layers):
            previous, out = out, np.empty_like(out)
            for block in blocks(adjacency, edges_at_once=_MESSAGES):
                data = to_hetero_data(block, adjacency, previous.__getitem__)
                num_dst = {name: data[name].num_sampled_nodes[0] for name in data.node_types}
                found = model.forward_layer(layer, data.x_dict, data.edge_index_dict, data.edge_weight_dict, num_dst)
                for name, seeds in _seeds_by_type(data):
                    out[seeds] = found[name].numpy()
                task.advance(block.nodes_per_hop[0])
    return functional.normalize(torch.from_numpy(out), dim=1).numpy()


def _projected(model: LayerWise, spec: ModelSpec, adjacency: Adjacency, features: NodeFeatures) -> Floats:
    """[items, channels] what enters the first layer."""
    out: Floats | None = None
    for start in range(0, len(adjacency.node_type), _ROWS):
        some = np.arange(start, min(start + _ROWS, len(adjacency.node_type)))
        of_type = {name: some[adjacency.node_type[some] == code] for code, name in enumerate(spec.node_types)}
        found = model.project({name: torch.from_numpy(features.of(members)) for name, members in of_type.items()})
        for name, members in of_type.items():
            vectors = found[name].numpy()
            out = np.empty((len(adjacency.node_type), vectors.shape[1]), np.float32) if out is None else out
            out[members] = vectors
    assert out is not None, "a graph has items"
    return out


def _sampled(
    model: nn.Module, spec: ModelSpec, adjacency: Adjacency, features: NodeFeatures, progress: Progress
) -> Floats:
    items = np.arange(len(adjacency.node_type))
    pieces = [items[at : at + _SEEDS] for at in range(0, len(items), _SEEDS)]
    batches = [Batch(piece, batch_key(spec.seed, _EPOCH, place)) for place, piece in enumerate(pieces)]

    def finish(_: Batch, around: Neighbourhood) -> HeteroData:
        return to_hetero_data(around, adjacency, features.of)

    out = np.empty((len(items), spec.out_channels), np.float32)
    with progress.task("embedding items", total=len(items)) as task:
        for data in stream(NeighbourSampler(adjacency, spec.fan_out), batches, finish, prefetch=2):
            seeds = np.concatenate([seeds for _, seeds in _seeds_by_type(data)])
            out[seeds] = seed_vectors(model, data).numpy()
            task.advance(len(seeds))
    return out


def _seeds_by_type(data: HeteroData) -> Iterator[tuple[str, Int64s]]:
    """Node type and its seeds (items), in the order of the metadata."""
    for name in data.node_types:
        yield name, data[name].n_id[: data[name].num_sampled_nodes[0]].numpy()
