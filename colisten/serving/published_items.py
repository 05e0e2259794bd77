"""The items to publish: all that can be recommended, with their named vectors, dense and sparse, and payloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from colisten.arrays import Floats, Halves, Int32s, Int64s
from colisten.errors import IndexStoreError
from colisten.listening.data import ListeningData
from colisten.serving.index.layout import FILTERED_FIELDS, HGNN, TEXT, TOWERS
from colisten.serving.payload_index import ALL, name_of
from colisten.towers.item_matrix import ItemMatrix

COLUMNS = ("item_id", "item_type", "title", "language", "genres", "creators", "published")


@dataclass(frozen=True)
class PublishedItems:
    """Items with their vectors and payloads, ordered by item number."""

    items: Int64s
    """[n] item numbers."""
    vectors: Mapping[str, Floats | Halves]
    """By name, as in `layout.VECTORS`: [n, width]."""
    sparse: Mapping[str, ItemMatrix]
    """By name: row j says what each item of a history adds to the score of the j-th published item."""
    table: pl.DataFrame
    """[n] columns of the payload."""

    def __len__(self) -> int:
        return len(self.items)

    def payloads(self, start: int, stop: int) -> list[dict[str, Any]]:
        """Payloads of the items at places `start` to `stop`, without unknown values."""
        rows = self.table[start:stop].to_dicts()
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    def inverted_lists(self) -> dict[str, Int32s]:
        """The lists of a `PayloadIndex`."""
        items = pl.Series("item", self.items.astype(np.int32))
        lists = {ALL: items.to_numpy()}
        for field in FILTERED_FIELDS:
            if field in self.table.columns:
                pairs = self.table.select(items, value=field)
                values = pairs.explode("value") if isinstance(pairs.schema["value"], pl.List) else pairs
                for (value,), group in values.drop_nulls().unique().sort("item").group_by("value"):
                    lists[name_of(field, str(value))] = group["item"].to_numpy()
        return {name: np.ascontiguousarray(found) for name, found in lists.items()}


def published_items(
    data: ListeningData, towers: Halves | Floats, hgnn: Floats, text: Floats, matrices: Mapping[str, ItemMatrix]
) -> PublishedItems:
    """Collect the items that are not retired, their vectors and payloads.

    Args:
        data: the listening data that the vectors were trained on.
        towers: float16 [items, width], from the user encoder.
        hgnn: float32 [items, dim], from the graph network.
        text: float32 [items, width], from the sentence encoder; zeros for an item without any text.
        matrices: sparse item–item matrices [items, items] of the user encoder.

    Raises:
        IndexStoreError: the vectors are of other items than the data or not all finite, or there is nothing to publish.
    """
    vectors: dict[str, Floats | Halves] = {TOWERS: towers, HGNN: hgnn, TEXT: text}
    for name, rows in vectors.items():
        if len(rows) != len(data.items):
            raise IndexStoreError(
                f"There are {len(rows):,} {name} vectors for {len(data.items):,} items: train again before publishing."
            )
    listeners = data.listeners.collect(engine="streaming")
    table = data.items.filter(~pl.col("retired")).join(listeners, on="item", how="left", maintain_order="left")
    if table.is_empty():
        raise IndexStoreError("There is no item to publish: all items of the data are retired.")
    items = table["item"].to_numpy().astype(np.int64)
    kept = {name: _rows(rows, items) for name, rows in vectors.items()}
    for name, rows in kept.items():
        if not np.isfinite(rows).all():
            raise IndexStoreError(f"Some {name} vectors are not finite: train again before publishing.")
    present = [name for name in COLUMNS if name in table.columns]
    payload = table.select(*present, popularity=pl.col("listeners").fill_null(0))
    sparse = {name: matrix.transposed(items) for name, matrix in matrices.items()}
    return PublishedItems(items, kept, sparse, payload.with_columns(pl.col(pl.Date).dt.to_string("%Y-%m-%d")))


def _rows(rows: Floats | Halves, items: Int64s) -> Floats | Halves:
    """The rows of these items; where no item is left out they are not copied and stay memory-mapped."""
    return rows if len(items) == len(rows) else rows[items]
