"""The user tower where a recommendation is answered: NumPy only, opened in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from colisten.arrays import Floats
from colisten.towers.columns import from_json, to_json
from colisten.towers.history import Bags
from colisten.towers.listeners import Listeners
from colisten.towers.tensors import mapped
from colisten.towers.user_features import UserFeatures

FORMAT = 1
_USERS_AT_ONCE = 4096


@dataclass(frozen=True)
class UserEncoder:
    """Listeners → vectors; the score of an item is the dot product with its row of `items.safetensors`."""

    features: UserFeatures
    layers: Sequence[tuple[Floats, Floats]]
    """Weight [out, in] and bias [out] of each layer of the user tower."""
    temperature: float

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open `W/towers/`."""
        spec = json.loads((folder / "spec.json").read_text())
        tensors = mapped(folder / "towers.safetensors")
        bags = Bags(**spec["bags"], group_of=tensors["group_of"])
        columns = tuple(from_json(column) for column in spec["columns"])
        layers = [(tensors[f"user.layers.{i}.weight"], tensors[f"user.layers.{i}.bias"]) for i in range(spec["layers"])]
        return cls(UserFeatures(columns, bags, tensors["content"]), layers, spec["temperature"])

    def encode(self, listeners: Listeners) -> Floats:
        """User vectors, float32 [users, dim], also for somebody without any history.

        Raises:
            DataError: a taste vector has another length than in training.
        """
        starts = range(0, max(len(listeners), 1), _USERS_AT_ONCE)
        if len(starts) == 1:
            return self._encode(listeners)
        everyone = np.arange(len(listeners))
        return np.concatenate([self._encode(listeners.take(everyone[i : i + _USERS_AT_ONCE])) for i in starts])

    def _encode(self, listeners: Listeners) -> Floats:
        x = self.features.encode(listeners)
        for weight, bias in self.layers[:-1]:
            x = np.maximum(x @ weight.T + bias, 0)
        weight, bias = self.layers[-1]
        x = x @ weight.T + bias
        vectors: Floats = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) / np.float32(self.temperature)
        return vectors


def spec_of(features: UserFeatures) -> dict[str, Any]:
    """The layout of the features, as `load` reads it back."""
    bags = features.bags
    named = {name: getattr(bags, name) for name in ("strong", "signals", "groups", "days", "now")}
    return {"format": FORMAT, "columns": [to_json(c) for c in features.columns], "bags": named}
