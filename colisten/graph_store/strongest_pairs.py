"""The strongest co-listened pairs of all items on one machine, from Parquet to Parquet, by parts that fit memory.

DuckDB finds what each user listened to, spilling to disk; the product (`top_n_product`) is taken of two ranges of items
at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from colisten.arrays import Int32s, Int64s
from colisten.compiled import CORES
from colisten.graph_store.co_listening import listens_of, places_of
from colisten.graph_store.engines import run_on_duckdb
from colisten.graph_store.top_n_product import (
    UNKNOWN,
    ColumnRange,
    Heard,
    Pairs,
    Strongest,
    Weighing,
    find_last,
    keep_strongest,
    pairs_above,
    sort_strongest_first,
    whole,
)
from colisten.listening.data import ListeningData
from colisten.progress import Progress, Task
from colisten.ragged import offsets
from colisten.settings import GraphSettings

_LISTEN_BYTES = 64
"""Memory of a listen while its part is read and transposed."""
_PAIR_BYTES = 20
_COLUMN_BYTES = 16
"""Memory of a column in the accumulator of one thread."""
_PAIRS_WRITTEN = 1 << 20
_SCHEMA = pl.Schema(
    {
        "shrinkage": pl.UInt8(), "node": pl.Int32(), "neighbour": pl.Int32(), "rank": pl.Int32(),
        "listeners": pl.Int32(), "weight": pl.Float32(), "last": pl.Int64(),
    }
)  # fmt: skip


def write_strongest_pairs(
    data: ListeningData, options: GraphSettings, top_k: int, shrinkages: Sequence[float], out: Path, progress: Progress
) -> None:
    """Write the `top_k` strongest neighbours of each item and neighbour's type, for each of some shrinkages, to `out`.

    Columns: `shrinkage` uint8 (place in `shrinkages`), `node`, `neighbour` int32 (see `items_by_place`), `rank` int32
    (0 is the strongest), `listeners` int32, `weight` float32, `last` int64 or null. With `top_k` 0 all pairs with
    `node` < `neighbour`, of the first shrinkage, unranked.

    Raises:
        GraphError: the listening data cannot be read, or not even spilling helped.
        OutOfSpaceError: the disk is full.
    """
    listens = out.with_name("listens.parquet")
    tables = {"interactions": data.interactions, "items": data.root / "items.parquet"}
    run_on_duckdb(
        lambda tables: listens_of(
            tables["interactions"], places_of(tables["items"]),
            strong=data.strong, items_per_user=options.items_per_user,
        ).order_by("place", "user"),
        tables, listens, memory_mb=options.memory_mb, spill=out.parent, title="listening of each user",
        progress=progress,
    )  # fmt: skip
    product = _Product.of(listens, data, options, top_k, shrinkages)
    with pq.ParquetWriter(out, _SCHEMA.to_frame().to_arrow().schema) as writer:
        for table in product.tables(progress):
            writer.write_table(table.to_arrow())
    listens.unlink()


def items_by_place(data: ListeningData) -> Int32s:
    """[places] the item at each place: by (type, id) among what is in the catalogue."""
    present = data.items.lazy().filter(~pl.col("retired")).sort("item_type", "item_id")
    return present.select("item").collect()["item"].to_numpy()


@dataclass(frozen=True)
class _Product:
    """The product of the listening matrix with itself, by parts."""

    listens: Path
    """`place`, `user`, `last`, ordered by place, then user."""
    users: int
    bounds: Int64s
    """[types + 1] where the places of each item type begin."""
    weighing: Weighing
    top_k: int
    cuts: Sequence[int]
    """Where parts begin and the last one ends."""
    pairs_at_once: int

    @classmethod
    def of(
        cls, listens: Path, data: ListeningData, options: GraphSettings, top_k: int, shrinkages: Sequence[float]
    ) -> _Product:
        present = data.items.lazy().filter(~pl.col("retired"))
        types = present.group_by("item_type").len().sort("item_type").collect()["len"].to_numpy()
        bounds = offsets(types.astype(np.int64))
        scan = pl.scan_parquet(listens, glob=False)
        counts = scan.group_by("place").agg(n=pl.len().cast(pl.Int64)).collect(engine="streaming")
        listeners = np.zeros(bounds[-1], np.int64)
        listeners[counts["place"].to_numpy()] = counts["n"].to_numpy()
        users = 1 + (scan.select(pl.col("user").max()).collect().item() or 0)
        heap = _PAIR_BYTES * top_k * len(shrinkages) * len(types)
        taken = np.cumsum(_LISTEN_BYTES * listeners + heap + _COLUMN_BYTES * CORES)
        quarter = options.memory_mb << 18
        parts = taken // min(quarter, _LISTEN_BYTES << 30)  # two at a time, of 2³⁰ listens at most
        cuts = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), int(bounds[-1])]
        weighing = Weighing.of(listeners, shrinkages, options.min_listeners)
        return cls(listens, users, bounds, weighing, top_k, cuts, quarter // _PAIR_BYTES)

    def tables(self, progress: Progress) -> Iterator[pl.DataFrame]:
        """The rows of `_SCHEMA`."""
        work = self._strongest if self.top_k else self._all
        with progress.task("co-listened pairs", total=self.cuts[-1] * (len(self.cuts) - 1)) as task:
            for first, end in pairwise(self.cuts):
                yield from work(first, self._heard(first, end), task)

    def _strongest(self, first: int, rows: Heard, task: Task) -> Iterator[pl.DataFrame]:
        options, types = len(self.weighing.shrinkages), len(self.bounds) - 1
        kept = Strongest.empty((len(rows.indptr) - 1) * options * types, self.top_k)
        for part in self._parts(first, rows):
            for done in keep_strongest(first, rows, part, self.weighing, kept):
                task.advance(done)
        sort_strongest_first(kept)
        last = np.empty_like(kept.neighbours, np.int64)
        for low, end in pairwise(self.cuts):
            find_last(rows, low, rows if low == first else self._heard(low, end), kept, last)
        size = max(1, _PAIRS_WRITTEN // self.top_k)
        for low in range(0, len(kept.sizes), size):
            heap, rank = np.nonzero(np.arange(self.top_k) < kept.sizes[low : low + size, None])
            heap += low
            pairs = Pairs(
                first + heap // (options * types), kept.neighbours[heap, rank], kept.listeners[heap, rank],
                kept.weights[heap, rank], last[heap, rank],
            )  # fmt: skip
            yield _table(pairs, heap // types % options, rank)

    def _all(self, first: int, rows: Heard, task: Task) -> Iterator[pl.DataFrame]:
        for part in self._parts(first, rows, upwards=True):
            for done, pairs in pairs_above(first, rows, part, self.weighing, at_once=self.pairs_at_once):
                task.advance(done)
                nought = np.zeros(len(pairs.items), np.int64)
                yield _table(pairs, nought, nought)

    def _parts(self, first: int, rows: Heard, *, upwards: bool = False) -> Iterator[ColumnRange]:
        """All parts as columns, or those from the one of `rows` on, which begins at `first`."""
        for low, end in pairwise(self.cuts):
            if low < first and upwards:
                continue
            heard = rows if low == first else self._heard(low, end)
            yield whole(heard, self.users, low, np.clip(self.bounds - low, 0, end - low), timed=upwards)

    def _heard(self, first: int, end: int) -> Heard:
        """Who heard the items of a range of places."""
        mine = pl.scan_parquet(self.listens, glob=False).filter(pl.col("place").is_between(first, end - 1))
        found = mine.select("user", pl.col("last").fill_null(UNKNOWN)).collect().rechunk()
        indptr = offsets(self.weighing.listeners[first:end])
        return Heard(indptr, *(found[name].to_numpy(writable=True) for name in ("user", "last")))


def _table(pairs: Pairs, shrinkage: Int64s, rank: Int64s) -> pl.DataFrame:
    columns = (shrinkage, pairs.items, pairs.neighbours, rank, pairs.listeners, pairs.weights, pairs.last)
    table = pl.DataFrame(dict(zip(_SCHEMA, columns, strict=True))).cast(_SCHEMA)
    return table.with_columns(pl.col("last").replace(UNKNOWN, None))
