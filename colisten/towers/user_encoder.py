"""The user encoder at serving time: histories and features to user vectors, in NumPy, opened in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from colisten.arrays import Bools, Codes, Floats, Halves, Int64s
from colisten.errors import WorkdirError
from colisten.listening.histories import UserHistories
from colisten.towers.features.bags import BagLayout
from colisten.towers.features.columns import from_json, to_json
from colisten.towers.features.negative_signals import left_out
from colisten.towers.features.user_features import UserFeatures
from colisten.towers.item_matrix import ItemMatrix, summed_rows
from colisten.towers.parts import (
    TRANSITIONS,
    DemandPart,
    LinearPart,
    Part,
    RelationPart,
    TowerPart,
    TransitionsPart,
    WeakSignalsPart,
)
from colisten.towers.tensors import mapped
from colisten.towers.user_vectors import Spread, UserVectors, one_after_the_other, side_by_side

FORMAT = 7
_USERS_AT_ONCE = 4096


@dataclass(frozen=True)
class UserEncoder:
    """The score of an item is the dot product of the user's vector with its row of `item_vectors`, plus the user's
    sparse score of it."""

    parts: Mapping[str, Part]
    """In the order in which they lie in the vectors."""
    spreads: Mapping[str, Spread]
    warm: Mapping[str, float]
    """Weight of each part for users with some event of the target type."""
    cold: Mapping[str, float]
    item_vectors: Halves | Floats
    """[items, width] memory-mapped."""
    scale: Floats
    """[width] what the columns of `item_vectors` were divided by."""
    columns: Mapping[str, slice]
    """Which columns are of each part."""
    matrices: Mapping[str, ItemMatrix]
    """Sparse item–item matrices, memory-mapped, by name; empty where no part is sparse."""
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
            WorkdirError: another version of Colisten made it, or it is damaged.
        """
        spec = _read_spec(folder / "spec.json")
        if spec.get("format") != FORMAT:
            raise WorkdirError(f"Another version of Colisten trained the towers in {folder}: run `colisten run` again.")
        tensors = mapped(folder / "towers.safetensors")
        sparse = mapped(folder / "sparse.safetensors")
        is_target = tensors["group_of"] == 0 if spec["has_target"] else np.zeros(len(tensors["group_of"]), bool)
        among = is_target if spec["has_target"] else ~is_target
        parts = {name: _part(name, spec, tensors, is_target) for name in spec["widths"]}
        matrices = {
            name: ItemMatrix(*(sparse[f"{name}.{field}"] for field in ("indptr", "items", "weights")))
            for name in dict.fromkeys(key.rpartition(".")[0] for key in sparse)
        }
        return cls(
            parts,
            {name: _spread(name, tensors, among) for name in parts},
            **spec["weights"],
            item_vectors=mapped(folder / "items.safetensors")["vectors"],
            scale=tensors["scale"],
            columns=_columns(spec["widths"]),
            matrices=matrices,
            is_target=is_target,
            signals=spec["bags"]["signals"],
            negative_signals=tuple(spec["negative_signals"]),
        )

    def exploring(self, exploration: float) -> Self:
        """The same with as much (0 … 1) taken from the weight of demand: at 1, taste alone decides."""
        kept = {"demand": 1 - exploration}
        warm, cold = (
            {name: weight * kept.get(name, 1) for name, weight in weights.items()} for weights in (self.warm, self.cold)
        )
        return replace(self, warm=warm, cold=cold)

    def encode(self, histories: UserHistories) -> UserVectors:
        """The vectors of these users, also of one without any history.

        Events on items or with signals that are newer than the model are passed over.

        Raises:
            DataError: a taste vector has another length than in training.
        """
        histories = self.learned(histories)
        starts = range(0, max(len(histories), 1), _USERS_AT_ONCE)
        if len(starts) == 1:
            return self._encode(histories)
        everyone = np.arange(len(histories))
        return one_after_the_other([self._encode(histories.take(everyone[i : i + _USERS_AT_ONCE])) for i in starts])

    def sparse_queries(self, history: UserHistories) -> dict[str, tuple[Int64s, Floats]]:
        """Indices and values, by the name of a sparse vector of the index, whose dot products with those of the items
        add up to the sparse scores of the one user in `history`."""
        history = self.learned(history)
        warm = history.touching(self.is_target)
        found: dict[str, tuple[Int64s, Floats]] = {}
        for name, part in self.parts.items():
            looked_up = {matrix: pairs for matrix, pairs in part.lookups(history).items() if len(pairs)}
            if looked_up:
                factor = self._scale(name, self._part(name, history)) * self._weights(name, warm)
                for matrix, pairs in looked_up.items():
                    weights = np.ones(len(pairs), np.float32) if pairs.weights is None else pairs.weights
                    found[matrix] = pairs.items, factor * weights
        return found

    def left_out(self, signals: Codes, strong: int) -> Bools:
        """[events] whether the event's item is not recommended to its user: streamed, or given a negative signal."""
        return left_out(signals, strong, self.negative_signals)

    def learned(self, histories: UserHistories) -> UserHistories:
        """Without events on items or with signals that are newer than the model."""
        return histories.keep((histories.items < len(self.is_target)) & (histories.signals < self.signals))

    def _encode(self, histories: UserHistories) -> UserVectors:
        warm, parts = histories.touching(self.is_target), []
        for name in self.parts:
            vectors = self._part(name, histories)
            parts.append(vectors.times(self._scale(name, vectors) * self._weights(name, warm)))
        return side_by_side(parts, self.scale)

    def _part(self, name: str, histories: UserHistories) -> UserVectors:
        part = self.parts[name]
        lookups = [(self.matrices[matrix], pairs) for matrix, pairs in part.lookups(histories).items()]
        return UserVectors(part.encode(histories), summed_rows(len(histories), lookups))

    def _scale(self, name: str, vectors: UserVectors) -> Floats:
        """[users] what the scores of a part are multiplied by to have variance 1."""
        return self.spreads[name].scale(vectors)

    def _weights(self, name: str, warm: Bools) -> Floats:
        """[users] of a part."""
        return np.where(warm, self.warm[name], self.cold[name]).astype(np.float32)


def _read_spec(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise WorkdirError(f"{path} is damaged: `colisten run` makes it anew.") from error
    return found


def _spread(name: str, tensors: Mapping[str, Any], among: Bools) -> Spread:
    covariance, mean, item_vectors = (tensors[f"{field}.{name}"] for field in ("covariance", "mean", "item_vectors"))
    return Spread(covariance, mean, item_vectors, among)


def _columns(widths: Mapping[str, int]) -> dict[str, slice]:
    """Of parts that lie side by side."""
    ends = np.cumsum([0, *widths.values()]).tolist()
    return {name: slice(*ends[place : place + 2]) for place, name in enumerate(widths)}


def _part(name: str, spec: Mapping[str, Any], tensors: Mapping[str, Any], is_target: Bools) -> Part:
    if name == "demand":
        return DemandPart()
    if name in spec["relations"]:
        return RelationPart(name, spec["bags"]["strong"])
    if name == TRANSITIONS:
        return TransitionsPart(spec["bags"]["strong"], spec["half_life"])
    if name == "weak_signals":
        return WeakSignalsPart({int(code): matrix for code, matrix in spec["weak_signals"].items()})
    if name == "linear":
        return LinearPart(is_target, spec["linear"]["signals"])
    bags = BagLayout(**spec["bags"], group_of=tensors["group_of"])
    columns = tuple(from_json(column) for column in spec["columns"])
    layers = [(tensors[f"user.layers.{i}.weight"], tensors[f"user.layers.{i}.bias"]) for i in range(spec["layers"])]
    return TowerPart(UserFeatures(columns, bags, tensors["content"]), layers)


def features_spec(features: UserFeatures) -> dict[str, Any]:
    """The layout of the user tower's features, as `load` reads it back."""
    named = {name: getattr(features.bags, name) for name in ("strong", "signals", "groups", "days", "now", "half_life")}
    return {"columns": [to_json(column) for column in features.columns], "bags": named}
