"""Node types of the model: the target and the most streamed item types; the rest share weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Codes
from colisten.listening.data import ListeningData


@dataclass(frozen=True)
class NodeTypes:
    """The model's node types: item types, the rare ones as one."""

    names: tuple[str, ...]
    of_item: Codes
    """[items] place in `names`."""


def group_types(data: ListeningData, target: str, own: int) -> NodeTypes:
    """The target and the most streamed item types, `own` together, stay as they are; the rest becomes one node type.

    A type with a handful of items cannot learn weights, and every pair of node types has some.
    """
    streams = _streams_per_type(data)
    ranked = sorted(data.item_types, key=lambda name: (name != target, -streams.get(name, 0), name))
    kept, rest = ranked[:own], ranked[own:]
    names = [*kept, rest[0] if len(rest) == 1 else _unused("other", kept)] if rest else kept
    code = {name: min(place, own) for place, name in enumerate(ranked)}
    lookup = np.array([code[name] for name in data.item_types], dtype=np.uint8)
    return NodeTypes(tuple(names), lookup[data.type_of])


def trained_types(folder: Path) -> tuple[str, ...] | None:
    """The node types of the model in `folder`, None where there is none."""
    about = folder / "model.json"
    return tuple(json.loads(about.read_text())["node_types"]) if about.exists() else None


def _streams_per_type(data: ListeningData) -> dict[str, int]:
    types = data.items.lazy().select("item", "item_type")
    counted = data.streams.group_by("item").len().join(types, on="item").group_by("item_type").agg(pl.col("len").sum())
    return dict(counted.collect().iter_rows())


def _unused(name: str, taken: Iterable[str]) -> str:
    return _unused(f"{name}_", taken) if name in taken else name
