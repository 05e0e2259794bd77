"""Building a graph model: the built-in one or a custom class, checked to fit the interface."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch_geometric.data import HeteroData

from colisten.errors import SettingsError
from colisten.gnn.hgnn import HGNN
from colisten.gnn.interface import Metadata
from colisten.gnn.model_source import BUILT_IN
from colisten.graph_store.edge_type import directed_edge_types
from colisten.settings import GnnSettings

_OPTIONAL = ("num_sampled_nodes_dict", "num_sampled_edges_dict")


@dataclass(frozen=True)
class ModelSpec:
    """Everything that a graph model is built from."""

    model: str
    """`sage`, or `module:Class`."""
    node_types: tuple[str, ...]
    relations: tuple[str, ...]
    in_channels: int
    out_channels: int
    fan_out: tuple[int, ...]
    """Neighbours drawn per edge type, one number a hop; `sage` has a layer for each."""
    aggregate: str
    """Of `sage`."""
    seed: int

    @classmethod
    def of(
        cls, options: GnnSettings, node_types: tuple[str, ...], relations: tuple[str, ...], in_channels: int, seed: int
    ) -> ModelSpec:
        """What the settings ask for."""
        return cls(
            options.model, node_types, relations, in_channels, options.dim, options.fan_out, options.aggregate, seed
        )

    @property
    def metadata(self) -> Metadata:
        edge_types = directed_edge_types(self.node_types, self.relations)
        return list(self.node_types), [(src, relation, dst) for src, relation, dst in edge_types]

    def build(self) -> nn.Module:
        """A new model, its weights drawn by the seed; lazy modules know their sizes.

        Raises:
            SettingsError: the class cannot be found, made or run, or returns something else than is asked for.
        """
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            if self.model == BUILT_IN:
                return HGNN(
                    self.metadata, self.in_channels, self.out_channels, num_layers=len(self.fan_out),
                    aggregate=self.aggregate,  # type: ignore[arg-type]  # checked by the settings
                )  # fmt: skip
            model = self._make(_model_class(self.model))
            self._check(model)
            return model

    def _make(self, model_class: type[nn.Module]) -> nn.Module:
        try:
            return model_class(self.metadata, self.in_channels, self.out_channels)
        except Exception as error:  # a custom class may raise anything
            raise self._misfit(
                f"Class(metadata, in_channels, out_channels) raised {_named(error)}", "make it so that it takes these"
            ) from error

    def _check(self, model: nn.Module) -> None:
        """Run the model on a small graph with every node and edge type; that sizes lazy modules too."""
        data = _small_graph(self.metadata, self.in_channels, hops=len(self.fan_out))
        try:
            with torch.no_grad():
                out = _forward(model.eval(), data)
        except Exception as error:  # a custom class may raise anything
            raise self._misfit(
                f"its forward(x_dict, edge_index_dict, edge_weight_dict) raised {_named(error)} on a small graph",
                "see that it takes what `HeteroData` gives",
            ) from error
        finally:
            model.train()
        if not isinstance(out, Mapping):
            raise self._misfit(f"its forward returns {type(out).__name__}", "return a dict of node type → tensor")
        for name in self.node_types:
            if not isinstance(out.get(name), Tensor):
                raise self._misfit(
                    f"its forward returns no tensor for the node type {name!r}", "return every node type"
                )
        for name in self.node_types:
            found = out[name]
            if found.dim() != 2 or found.shape[1] != self.out_channels or len(found) < len(data[name].x):
                raise self._misfit(
                    f"its forward returns {tuple(found.shape)} for {len(data[name].x)} seeds of type {name!r}",
                    f"return [seeds or more, {self.out_channels}], seeds first",
                )

    def _misfit(self, found: str, advice: str) -> SettingsError:
        return SettingsError(f"gnn.model={self.model} does not fit: {found}; {advice} (docs/loader.md shows one).")


def seed_vectors(model: nn.Module, data: HeteroData) -> Tensor:
    """[seeds, out_channels] embeddings of length 1, node type by node type in the order of the metadata."""
    out = _forward(model, data)
    sampled = data.num_sampled_nodes_dict
    return normalize(torch.cat([out[name][: sampled[name][0]] for name in data.node_types]), dim=1)


def _forward(model: nn.Module, data: HeteroData) -> Any:
    taken = inspect.signature(model.forward).parameters
    extra = {name: getattr(data, name) for name in _OPTIONAL if name in taken}
    return model(data.x_dict, data.edge_index_dict, data.edge_weight_dict, **extra)


def _small_graph(metadata: Metadata, in_channels: int, hops: int) -> HeteroData:
    """Two seeds of each node type, an edge of each edge type in the first hop."""
    data = HeteroData()
    for name in metadata[0]:
        data[name].x = torch.zeros(2, in_channels)
        data[name].num_sampled_nodes = [2] + [0] * hops
    for edge_type in metadata[1]:
        data[edge_type].edge_index = torch.tensor([[1], [0]])
        data[edge_type].edge_weight = torch.ones(1)
        data[edge_type].num_sampled_edges = [1] + [0] * (hops - 1)
    return data


def _model_class(model: str) -> type[nn.Module]:
    module_name, colon, class_name = model.partition(":")
    if not colon or not module_name or not class_name:
        raise SettingsError(f"gnn.model={model} is neither {BUILT_IN!r} nor of the form module:Class.")
    try:
        if find_spec(module_name) is None:
            raise ModuleNotFoundError
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        raise SettingsError(
            f"gnn.model={model} cannot be imported: there is no module {missing!r}; put its folder on PYTHONPATH."
        ) from error
    except Exception as error:  # a custom module may raise anything
        raise SettingsError(f"gnn.model={model} cannot be imported: its module raised {_named(error)}.") from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise SettingsError(f"gnn.model={model} does not fit: {module_name} has no nn.Module named {class_name!r}.")
    return found


def _named(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__} ({first})" if first else type(error).__name__
