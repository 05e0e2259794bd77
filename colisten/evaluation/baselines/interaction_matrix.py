"""The user–item interaction matrix, sparse: all that a baseline learns from."""

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
    """Users × items of the training data, with the ids of both."""

    streams: sparse.csr_matrix
    """float32 [users, items]: 1 where the user streamed the item."""
    weak: sparse.csr_matrix
    """The same for pairs with weak signals only."""
    user_ids: pl.Series
    item_ids: pl.Series
    item_types: tuple[str, ...]
    type_of: Codes
    """uint8 [items] place in `item_types`."""
    available: Bools
    """[items] still in the catalogue."""

    @property
    def listeners(self) -> Floats:
        """Users that streamed each item, float32 [items]."""
        return np.asarray(self.streams.sum(axis=0), dtype=np.float32).ravel()

    def with_weak(self, weight: float) -> sparse.csr_matrix:
        """Streams as 1, pairs with weak signals only as `weight`."""
        return (self.streams + weight * self.weak).tocsr() if weight else self.streams

    def rows(self, user_ids: Sequence[str]) -> Int64s:
        """Row of each user; one past the last for an unknown user."""
        known = pl.DataFrame({"user_id": self.user_ids, "row": np.arange(len(self.user_ids))})
        wanted = pl.DataFrame({"user_id": pl.Series(user_ids, dtype=pl.String)})
        found = wanted.join(known, on="user_id", how="left", maintain_order="left")["row"]
        return found.fill_null(len(self.user_ids)).to_numpy()

    def items(self, item_type: str) -> Int64s:
        """Available items of a type by popularity, then in the order of the catalogue: how ties are broken.

        Raises:
            DataError: no such type.
        """
        if item_type not in self.item_types:
            raise DataError(f"There is no item type {item_type!r} in the data: it has {', '.join(self.item_types)}.")
        mine = np.flatnonzero((self.type_of == self.item_types.index(item_type)) & self.available)
        return mine[np.argsort(-self.listeners[mine], kind="stable")]


def read_interaction_matrix(data: ListeningData, *, since: int | None = None) -> InteractionMatrix:
    """Read the distinct (user, item) pairs of `data`; with `since` (s, UTC) only from then on."""
    every = pl.scan_parquet(data.interactions, glob=False)
    streams, touched = pl.collect_all([_pairs(data.streams, since), _pairs(every, since)])
    shape = (len(data.users), len(data.items))
    return InteractionMatrix(
        streams=_matrix(streams, shape),
        weak=_matrix(touched.join(streams, on=["user", "item"], how="anti"), shape),
        user_ids=data.users["user_id"],
        item_ids=data.items["item_id"],
        item_types=data.item_types,
        type_of=data.type_of,
        available=~data.items["retired"].to_numpy(),
    )


def _pairs(events: pl.LazyFrame, since: int | None) -> pl.LazyFrame:
    kept = events if since is None else events.filter(pl.col("timestamp") >= since)
    return kept.select("user", "item").unique()


def _matrix(pairs: pl.DataFrame, shape: tuple[int, int]) -> sparse.csr_matrix:
    ones = np.ones(len(pairs), dtype=np.float32)
    return sparse.csr_matrix((ones, (pairs["user"].to_numpy(), pairs["item"].to_numpy())), shape=shape)
