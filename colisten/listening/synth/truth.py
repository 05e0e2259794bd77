"""The true preferences behind synthetic data, written beside it, so that an oracle can be scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

from colisten.arrays import Bools, Floats, Int64s
from colisten.listening.synth.choices import Preferences

TRUTH = "truth"
"""The folder beside the tables that holds them."""


@dataclass(frozen=True)
class Truth:
    """The preferences of all users in the last period."""

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    item_types: tuple[str, ...]
    """The item types, in the order of the codes in `type_of`."""
    type_of: Int64s
    preferences: Preferences
    """Without what following adds, which depends on what was streamed."""
    follows: Bools
    """[users] who follow series and creators."""

    def scores(self, users: Int64s) -> Floats:
        """Log preference of some users for every item, float32 [users, items].

        Within a user and an item type, exp(score) is in proportion to the probability of being chosen next; between
        types, scores are not comparable.
        """
        scores = np.empty((len(users), len(self.item_ids)), np.float32)
        for kind in range(len(self.item_types)):
            items = np.flatnonzero(self.type_of == kind)
            scores[:, items] = self.preferences.of(users, kind, items)
        return scores


def write_truth(folder: Path, preferences: Preferences, follows: Bools, considered: pl.DataFrame) -> None:
    """Write truth.safetensors and considered.parquet (whether each choice was streamed, and its weak signals)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"users": preferences.users, "items": preferences.items, "bias": preferences.bias,
               "follows": follows}  # fmt: skip
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / "truth.safetensors")
    considered.write_parquet(folder / "considered.parquet")


def true_preferences(out: Path) -> Truth:
    """The true preferences that `make_world` wrote to `out`."""
    tensors = load_file(out / TRUTH / "truth.safetensors")
    items = pl.read_parquet(out / "items.parquet", columns=["item_id", "item_type"], glob=False)
    types = tuple(items["item_type"].unique(maintain_order=True))
    users = pl.read_parquet(out / "users.parquet", columns=["user_id"], glob=False)["user_id"]
    type_of = items["item_type"].cast(pl.Enum(types)).to_physical().to_numpy().astype(np.int64)
    preferences = Preferences(tensors["users"], tensors["items"], tensors["bias"])
    return Truth(tuple(users), tuple(items["item_id"]), types, type_of, preferences, tensors["follows"])
