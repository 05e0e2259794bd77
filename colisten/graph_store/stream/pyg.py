"""PyG's `GraphStore`, `FeatureStore` and `BaseSampler` over the engine, so that `NodeLoader` and `LinkLoader` work.

Names and signatures are those that Neo4j proposed to PyG (pyg-team/pytorch_geometric#10752), as far as there is an
equivalent. Inside PyG a node is a type and its place among the items of that type (`Places` translates).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import EdgeAttr, FeatureStore, GraphStore, HeteroData, TensorAttr
from torch_geometric.data.graph_store import EdgeLayout
from torch_geometric.sampler import (
    BaseSampler,
    EdgeSamplerInput,
    HeteroSamplerOutput,
    NegativeSampling,
    NodeSamplerInput,
)
from torch_geometric.sampler.neighbor_sampler import edge_sample, node_sample

from colisten.arrays import Floats, Int64s
from colisten.compiled import compiled
from colisten.errors import GraphError
from colisten.graph_store.edge_type import EdgeType
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.exclude import HeldOutEdges, ItemPairs
from colisten.graph_store.stream.features import FeatureCache, rows_of
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.keys import mix
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.sampler import Batch, Draw, NeighbourSampler
from colisten.ragged import spans

_READ_ONLY = "The graph in Neo4j is written by `colisten graph build`, not through PyG's stores."


class Places:
    """Items of one type, numbered 0, 1, … in the order of their item numbers, and back."""

    def __init__(self, adjacency: Adjacency) -> None:
        self.of_type = {
            name: np.flatnonzero(adjacency.node_type == code) for code, name in enumerate(adjacency.node_types)
        }
        self.within = np.empty(len(adjacency.node_type), np.int64)
        for items in self.of_type.values():
            self.within[items] = np.arange(len(items))


class DatabaseGraphStore(GraphStore):  # type: ignore[misc]  # PyG is untyped
    """Graph store: tells PyG which edge types there are; edges themselves come from `DatabaseSampler`."""

    def __init__(self, adjacency: Adjacency, edge_attr_cls: type[EdgeAttr] | None = None) -> None:
        super().__init__(edge_attr_cls=edge_attr_cls)
        self.adjacency = adjacency
        self.places = Places(adjacency)

    def query_db(self, query: str, params: dict[str, Any]) -> list[list[Any]]:
        """All rows that a read query in Cypher answers with.

        Raises:
            GraphError: the adjacency does not stream from Neo4j, or the server cannot be reached or refuses.
        """
        if not isinstance(self.adjacency, LiveAdjacency):
            raise GraphError("A snapshot cannot be queried: open the graph with `LiveAdjacency.open`.")
        return self.adjacency.query(query, params)

    def get_all_edge_attrs(self) -> list[EdgeAttr]:
        sizes = {name: len(items) for name, items in self.places.of_type.items()}
        return [
            EdgeAttr(tuple(edge_type), EdgeLayout.COO, size=(sizes[edge_type.src], sizes[edge_type.dst]))
            for edge_type in self.adjacency.edge_types
        ]

    def _get_edge_index(self, edge_attr: EdgeAttr) -> tuple[Tensor, Tensor] | None:
        """All edges of one type, read at once: only asked for when a whole edge type is given as supervision."""
        if tuple(edge_attr.edge_type) not in self.adjacency.edge_types:
            return None
        edge_type = EdgeType(*edge_attr.edge_type)
        group = self.adjacency.group(edge_type.relation, edge_type.dst)
        src = self.places.of_type[edge_type.src]
        rows = self.adjacency.neighbours(src)
        degrees = self.adjacency.degrees[src]
        begin = rows.indptr[:-1] + degrees[:, :group].sum(axis=1, dtype=np.int64)
        count = degrees[:, group].astype(np.int64)
        dst = rows.items[spans(begin, count)]
        return torch.from_numpy(self.places.within[np.repeat(src, count)]), torch.from_numpy(self.places.within[dst])

    def _put_edge_index(self, edge_index: Any, edge_attr: EdgeAttr) -> bool:
        raise NotImplementedError(_READ_ONLY)

    def _remove_edge_index(self, edge_attr: EdgeAttr) -> bool:
        raise NotImplementedError(_READ_ONLY)


class DatabaseFeatureStore(FeatureStore):  # type: ignore[misc]  # PyG is untyped
    """Feature store: features of all items given to PyG by node type, those of a batch in one reading.

    They are arrays, such as `LiveAdjacency.read_property` reads, or caches over Neo4j or memory-mapped files
    (`LiveAdjacency.stream_property`, `FeatureCache`), which are filled while batches are made.
    """

    def __init__(
        self, adjacency: Adjacency, features: Mapping[str, Floats | FeatureCache],
        tensor_attr_cls: type[TensorAttr] | None = None,
    ) -> None:  # fmt: skip
        """`features`: attribute name → [items, …]."""
        super().__init__(tensor_attr_cls=tensor_attr_cls)
        self.features = dict(features)
        self.places = Places(adjacency)

    def get_all_tensor_attrs(self) -> list[TensorAttr]:
        """New objects each time: PyG writes the batch's index into them, and threads must not share them."""
        return [TensorAttr(group, name) for group in self.places.of_type for name in self.features]

    def _get_tensor(self, attr: TensorAttr) -> Tensor | None:
        return torch.from_numpy(rows_of(self.features[attr.attr_name], self._items(attr)))

    def _multi_get_tensor(self, attrs: list[TensorAttr]) -> list[Tensor | None]:
        """All node types of an attribute together, so that one reading serves them."""
        items = [self._items(attr) for attr in attrs]
        found: list[Tensor | None] = [None] * len(attrs)
        for name in {attr.attr_name for attr in attrs}:
            mine = [place for place, attr in enumerate(attrs) if attr.attr_name == name]
            rows = rows_of(self.features[name], np.concatenate([items[place] for place in mine]))
            ends = np.cumsum([len(items[place]) for place in mine])
            for place, part in zip(mine, np.split(rows, ends[:-1]), strict=True):
                found[place] = torch.from_numpy(part)
        return found

    def _items(self, attr: TensorAttr) -> Int64s:
        items: Int64s = self.places.of_type[attr.group_name]
        if attr.index is not None:
            items = items[attr.index.numpy() if isinstance(attr.index, Tensor) else attr.index]
        return items

    def _get_tensor_size(self, attr: TensorAttr) -> tuple[int, ...]:
        return (len(self.places.of_type[attr.group_name]), *self.features[attr.attr_name].shape[1:])

    def _put_tensor(self, tensor: Any, attr: TensorAttr) -> bool:
        raise NotImplementedError(_READ_ONLY)

    def _remove_tensor(self, attr: TensorAttr) -> bool:
        raise NotImplementedError(_READ_ONLY)


class DatabaseSampler(BaseSampler):  # type: ignore[misc]  # PyG is untyped
    """`NeighbourSampler` as PyG's loaders call it.

    What is drawn depends on `seed` and on what is in the batch, not on workers or threads: shuffled batches draw anew
    each epoch. Under `LinkLoader` the batch's own edges pass no message in it.
    """

    def __init__(
        self, graph_store: DatabaseGraphStore, *, fan_out: Sequence[int], draw: Draw = "uniform", refill: bool = True,
        held_out: HeldOutEdges | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        """See `NeighbourSampler` for what the options mean.

        Raises:
            SettingsError: a fan-out that cannot be.
        """
        self.graph_store = graph_store
        self.sampler = NeighbourSampler(graph_store.adjacency, fan_out, draw, refill, held_out)
        self.seed = seed
        self.places = graph_store.places

    @property
    def is_hetero(self) -> bool:
        """Always: the graph has node types, if only one."""
        return True

    def sample_from_nodes(self, inputs: NodeSamplerInput, **_: Any) -> HeteroSamplerOutput:
        return node_sample(inputs, partial(self._sample, without=None))

    def sample_from_edges(
        self, inputs: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> HeteroSamplerOutput:
        src_type, _, dst_type = inputs.input_type
        pairs = (self._items(src_type, inputs.row), self._items(dst_type, inputs.col))
        sizes = {name: len(items) for name, items in self.places.of_type.items()}
        draw = partial(self._sample, without=pairs)
        return edge_sample(inputs, draw, sizes, disjoint=False, neg_sampling=neg_sampling)

    @property
    def edge_permutation(self) -> None:
        return None

    def _items(self, node_type: str, places: Tensor) -> Int64s:
        items: Int64s = self.places.of_type[node_type][places.numpy()]
        return items

    def _sample(self, seeds: dict[str, Tensor], _time: Any, without: ItemPairs | None) -> HeteroSamplerOutput:
        items = np.concatenate([self._items(name, places) for name, places in seeds.items()])
        around = self.sampler.sample_together([Batch(items, np.uint64(_key(self.seed, items)), without)])[0]
        data = to_hetero_data(around, self.sampler.adjacency)
        edges = {kind: data[kind].edge_index for kind in data.edge_types}
        return HeteroSamplerOutput(
            node={name: torch.from_numpy(self.places.within[data[name].n_id.numpy()]) for name in data.node_types},
            row={kind: ends[0] for kind, ends in edges.items()},
            col={kind: ends[1] for kind, ends in edges.items()},
            edge={kind: _as_number(data[kind].edge_weight) for kind in data.edge_types},
            num_sampled_nodes={name: data[name].num_sampled_nodes for name in data.node_types},
            num_sampled_edges={kind: data[kind].num_sampled_edges for kind in data.edge_types},
        )


@compiled
def _key(seed: int, items: Int64s) -> np.uint64:
    key = mix(np.uint64(seed))
    for item in items:
        key = mix(key ^ np.uint64(item))
    return key


def _as_number(weight: Tensor) -> Tensor:
    """A weight's bits as an integer: PyG carries nothing of a remote edge but its number."""
    return weight.view(torch.int32).to(torch.int64)


def edge_weight(data: HeteroData) -> HeteroData:
    """The loader's `transform=`: turns the edge numbers that `DatabaseSampler` gave into `edge_weight`."""
    for kind in data.edge_types:
        if "e_id" in data[kind]:
            data[kind].edge_weight = data[kind].e_id.to(torch.int32).view(torch.float32)
            del data[kind].e_id
    return data
