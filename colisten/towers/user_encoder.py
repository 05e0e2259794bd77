"""The user tower at serving time: histories and features to user vectors, in NumPy, opened in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from colisten.arrays import Bools, Codes, Floats
from colisten.errors import WorkdirError
from colisten.listening.histories import UserHistories
from colisten.towers.features.bags import BagLayout
from colisten.towers.features.columns import from_json, to_json
from colisten.towers.features.negative_signals import left_out
from colisten.towers.features.user_features import UserFeatures
from colisten.towers.parts import LinearPart, Part, PopularPart, TowerPart, scaled
from colisten.towers.tensors import mapped

FORMAT = 3
_USERS_AT_ONCE = 4096


@dataclass(frozen=True)
class UserEncoder:
    """The score of an item is the dot product of the user's vector with its row of `items.safetensors`."""

    parts: Mapping[str, Part]
    """In the order in which they lie in the vectors."""
    spreads: Mapping[str, Floats]
    warm: Mapping[str, float]
    """Weight of each part for users with some event of the target type."""
    cold: Mapping[str, float]
    is_target: Bools
    """[items]"""
    signals: int
    """Signals known in training."""
    negative_signals: tuple[int, ...]
    """Codes of weak signals whose items are left out of a user's list, like streamed ones."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open `W/towers/`.

        Raises:
            WorkdirError: another version of Colisten made it.
        """
        spec = json.loads((folder / "spec.json").read_text())
        if spec.get("format") != FORMAT:
            raise WorkdirError(f"Another version of Colisten trained the towers in {folder}: run `colisten run` again.")
        tensors = mapped(folder / "towers.safetensors")
        is_target = tensors["group_of"] == 0 if spec["has_target"] else np.zeros(len(tensors["group_of"]), bool)
        parts = {name: _part(name, spec, tensors, is_target) for name in spec["weights"]["warm"]}
        spreads = {name: np.asarray(tensors[f"spread.{name}"]) for name in parts}
        signals, negative_signals = spec["bags"]["signals"], tuple(spec["negative_signals"])
        return cls(
            parts, spreads, **spec["weights"], is_target=is_target, signals=signals, negative_signals=negative_signals
        )

    def encode(self, histories: UserHistories) -> Floats:
        """User vectors, float32 [users, dim], also for a user without any history.

        Events on items or with signals that are newer than the model are passed over.

        Raises:
            DataError: a taste vector has another length than in training.
        """
        learned = (histories.items < len(self.is_target)) & (histories.signals < self.signals)
        histories = histories.keep(learned)
        starts = range(0, max(len(histories), 1), _USERS_AT_ONCE)
        if len(starts) == 1:
            return self._encode(histories)
        everyone = np.arange(len(histories))
        return np.concatenate([self._encode(histories.take(everyone[i : i + _USERS_AT_ONCE])) for i in starts])

    def left_out(self, signals: Codes, strong: int) -> Bools:
        """[events] whether the event's item is not recommended to its user: streamed, or given a negative signal."""
        return left_out(signals, strong, self.negative_signals)

    def _encode(self, histories: UserHistories) -> Floats:
        warm = histories.touching(self.is_target)
        blocks = []
        for name, part in self.parts.items():
            weight = np.where(warm, self.warm[name], self.cold[name]).astype(np.float32)
            blocks.append(scaled(part.encode(histories), self.spreads[name]) * weight[:, None])
        return np.concatenate(blocks, axis=1)


def _part(name: str, spec: Mapping[str, Any], tensors: Mapping[str, Any], is_target: Bools) -> Part:
    if name == "popular":
        return PopularPart()
    if name == "linear":
        return LinearPart(tensors["from_items"], is_target, spec["linear"]["signals"])
    bags = BagLayout(**spec["bags"], group_of=tensors["group_of"])
    columns = tuple(from_json(column) for column in spec["columns"])
    layers = [(tensors[f"user.layers.{i}.weight"], tensors[f"user.layers.{i}.bias"]) for i in range(spec["layers"])]
    return TowerPart(UserFeatures(columns, bags, tensors["content"]), layers)


def features_spec(features: UserFeatures) -> dict[str, Any]:
    """The layout of the user tower's features, as `load` reads it back."""
    named = {name: getattr(features.bags, name) for name in ("strong", "signals", "groups", "days", "now")}
    return {"columns": [to_json(column) for column in features.columns], "bags": named}
