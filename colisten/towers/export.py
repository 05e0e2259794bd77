"""Export of the fitted parts to `W/towers/`: tensors, item vectors, item–item matrices, spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from colisten.arrays import Floats
from colisten.towers.half_precision import halved, rounded
from colisten.towers.inputs import TowerInputs
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.linear.model import LinearModel
from colisten.towers.parts import TRANSITIONS, weak_matrix
from colisten.towers.two_tower.trainer import TwoTowerTrainer
from colisten.towers.user_encoder import FORMAT, features_spec
from colisten.towers.user_vectors import Spread
from colisten.towers.weak_signals import diagonal
from colisten.workdir import replacing_folder, write_json

STRONGEST = 10
"""Item–item weights into each item that curators see."""
_COLUMNS_AT_ONCE = 1 << 14
"""Items whose weights are sorted at once: bounds memory."""


@dataclass(frozen=True)
class FittedTowers:
    """All parts, fitted on all data."""

    run: TwoTowerTrainer
    linear: LinearModel | None
    demand: Floats | None
    """[items] its logarithm; None where it does not count."""
    rates: Mapping[int, float]
    """Of the weak signals that count, by code; empty where none does."""
    inputs: TowerInputs
    transitions: ItemMatrix | None = None
    """What follows what; None where it does not count."""

    def item_vectors(self, part: str) -> Floats:
        """[items, width of the part]"""
        items = len(self.inputs.is_target)
        if part == "towers":
            return self.run.item_vectors(np.arange(items))
        if part == "demand" and self.demand is not None:
            return self.demand[:, None]
        return self.linear.intercepts if self.linear and part == "linear" else np.empty((items, 0), np.float32)

    def matrices(self, counting: Sequence[str]) -> dict[str, ItemMatrix]:
        """The sparse matrices of the parts that count, by name."""
        of_signals = {
            weak_matrix(code): diagonal(len(self.inputs.is_target), rate) for code, rate in self.rates.items()
        }
        relations = {name: matrix for name, matrix in self.inputs.relations.items() if name in counting}
        order = {TRANSITIONS: self.transitions} if self.transitions else {}
        return (self.linear.matrices if self.linear else {}) | of_signals | relations | order


def export(fitted: FittedTowers, chosen: Mapping[str, Any], out: Path) -> None:
    """Write `towers.safetensors`, `items.safetensors`, `sparse.safetensors`, `weights.parquet` and `spec.json` in one
    step.

    A part of weight zero for all users is left out of the vectors.
    """
    counting = [name for name in chosen["warm"] if chosen["warm"][name] or chosen["cold"][name]]
    parts = {name: rounded(fitted.item_vectors(name).astype(np.float32)) for name in counting}
    vectors, scale = halved(np.concatenate(list(parts.values()), axis=1))
    with replacing_folder(out) as draft:
        save_file(_tensors(fitted, parts) | {"scale": scale}, draft / "towers.safetensors")
        save_file({"vectors": vectors}, draft / "items.safetensors")
        save_file(_arrays(fitted.matrices(counting)), draft / "sparse.safetensors")
        _edges(fitted.linear).write_parquet(draft / "weights.parquet")
        write_json(draft / "spec.json", _spec(fitted, parts, chosen))


def _tensors(fitted: FittedTowers, parts: Mapping[str, Floats]) -> dict[str, Any]:
    features, inputs = fitted.run.data.features, fitted.inputs
    tensors: dict[str, Any] = {"group_of": features.bags.group_of}
    among = inputs.is_target if inputs.is_target.any() else np.ones_like(inputs.is_target)
    for name, vectors in parts.items():
        spread = Spread.of(vectors, among)
        tensors |= {f"{field}.{name}": getattr(spread, field) for field in ("covariance", "mean")}
        tensors[f"item_vectors.{name}"] = vectors if name != "towers" else vectors[:0]  # which no sparse scores go with
    if "towers" in parts:
        layers = {name: value.cpu().numpy() for name, value in fitted.run.model.state_dict().items()}
        tensors |= layers | {"content": features.content}
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def _arrays(matrices: Mapping[str, ItemMatrix]) -> dict[str, Any]:
    """As `UserEncoder.load` maps them."""
    return {f"{name}.{field}": value for name, matrix in matrices.items() for field, value in vars(matrix).items()}


def _spec(fitted: FittedTowers, parts: Mapping[str, Floats], chosen: Mapping[str, Any]) -> dict[str, Any]:
    features = fitted.run.data.features
    return features_spec(features) | {
        "format": FORMAT,
        "layers": len(fitted.run.data.settings.hidden) + 1,
        "widths": {name: vectors.shape[1] for name, vectors in parts.items()},
        "weights": {segment: {name: chosen[segment][name] for name in parts} for segment in ("warm", "cold")},
        "linear": {"signals": fitted.linear.options.signals if fitted.linear else features.bags.strong},
        "weak_signals": {code: weak_matrix(code) for code in fitted.rates},
        "half_life": chosen.get("half_life"),
        "relations": [name for name in parts if name in fitted.inputs.relations],
        "has_target": bool(fitted.inputs.is_target.any()),
        "negative_signals": list(fitted.inputs.negative_signals),
        "chosen": dict(chosen),
    }


def _edges(linear: LinearModel | None) -> pl.DataFrame:
    """The strongest item–item weights into each item, of warm users: `src` in the history raises the score of `dst`."""
    schema = {"src": pl.Int32, "dst": pl.Int32, "weight": pl.Float32}
    if linear is None:
        return pl.DataFrame(schema=schema)
    found = []
    for first in range(0, linear.warm.shape[1], _COLUMNS_AT_ONCE):
        pairs = linear.warm[:-1, first : first + _COLUMNS_AT_ONCE].tocoo()
        weights = pl.DataFrame({"src": pairs.row, "dst": pairs.col + first, "weight": pairs.data}, schema)
        found.append(weights.filter(pl.col("weight").rank("ordinal", descending=True).over("dst") <= STRONGEST))
    return pl.concat(found).sort("src", "weight", "dst", descending=[False, True, False])
