"""What everybody streamed, as a sparse matrix: all that a baseline learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from colisten.arrays import Bools, Codes, Floats, Int64s
from colisten.errors import DataError
from colisten.listening.data import ListeningData


@dataclass(frozen=True)
class InteractionMatrix:
    """Users × items of the training data; ids at the edges, rows inside."""

    streams: sparse.csr_matrix
    """float32 [users, items]: 1 where the user streamed the item."""
    weak: sparse.csr_matrix
    """The same for pairs with weak signals only."""
    user_ids: pl.Series
    item_ids: pl.Series
    item_types: tuple[str, ...]
    type_of: Codes
    offered: Bools
    """[items] still in the catalogue."""

    @property
    def listeners(self) -> Floats:
        """Users that streamed each item, float32 [items]."""
        return np.asarray(self.streams.sum(axis=0), dtype=np.float32).ravel()

    def with_weak(self, weight: float) -> sparse.csr_matrix:
        """Streams as 1, weak pairs as `weight`."""
        return (self.streams + weight * self.weak).tocsr() if weight else self.streams

    def rows(self, user_ids: Sequence[str]) -> Int64s:
        """Row of each user; one past the last for somebody unknown."""
        known = pl.DataFrame({"user_id": self.user_ids, "row": np.arange(len(self.user_ids))})
        asked = pl.DataFrame({"user_id": pl.Series(user_ids, dtype=pl.String)})
        found = asked.join(known, on="user_id", how="left", maintain_order="left")["row"]
        return found.fill_null(len(self.user_ids)).to_numpy()

    def items(self, item_type: str) -> Int64s:
        """Items of a type on offer, most heard first, then in the order of the catalogue: how ties are broken.

        Raises:
            DataError: no such type.
        """
        if item_type not in self.item_types:
            raise DataError(f"There is no item type {item_type!r} in the data: it has {', '.join(self.item_types)}.")
        mine = np.flatnonzero((self.type_of == self.item_types.index(item_type)) & self.offered)
        return mine[np.argsort(-self.listeners[mine], kind="stable")]


def read_interaction_matrix(data: ListeningData, *, since: int | None = None) -> InteractionMatrix:
    """Read the (user, item) pairs of `data`; with `since` (s, UTC) only those from then on."""
    shape = (len(data.users), len(data.items))
    lazy = pl.scan_parquet(data.interactions).select("user", "item", "signal", "timestamp")
    if since is not None:
        lazy = lazy.filter(pl.col("timestamp") >= since)
    pairs = lazy.group_by("user", "item").agg(strong=(pl.col("signal") < data.strong).any()).collect()
    return InteractionMatrix(
        streams=_matrix(pairs.filter(pl.col("strong")), shape),
        weak=_matrix(pairs.filter(~pl.col("strong")), shape),
        user_ids=data.users["user_id"],
        item_ids=data.items["item_id"],
        item_types=data.item_types,
        type_of=data.type_of,
        offered=~data.items["retired"].to_numpy(),
    )


def _matrix(pairs: pl.DataFrame, shape: tuple[int, int]) -> sparse.csr_matrix:
    ones = np.ones(len(pairs), dtype=np.float32)
    return sparse.csr_matrix((ones, (pairs["user"].to_numpy(), pairs["item"].to_numpy())), shape=shape)
