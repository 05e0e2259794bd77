"""Small listening folders, laid down by the contract of `ListeningData`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from colisten.listening.data import ListeningData

SIGNALS = ("stream", "follow")
Listen = tuple[int, int, int, int | None]
"""(user, item, signal, timestamp)"""


def listening(
    folder: Path, types: Sequence[str], listens: Sequence[Listen], *, retired: Sequence[int] = (), **columns: list[Any]
) -> ListeningData:
    """Write a folder with one item per entry of `types`, heard as `listens` says; `columns` replace item columns."""
    folder.mkdir(parents=True, exist_ok=True)
    items = pl.DataFrame({"item": range(len(types)), "item_type": list(types)}, schema_overrides={"item": pl.Int32})
    items = items.select(
        "item",
        pl.format("{}-{}", "item_type", "item").alias("item_id"),
        "item_type",
        pl.int_range(pl.len(), dtype=pl.Int32).over("item_type").alias("row"),
        pl.format("Title of {}", "item").alias("title"),
        pl.lit("").alias("description"),
        pl.lit("en").alias("language"),
        pl.lit(["crime", "history"], pl.List(pl.String)).alias("genres"),
        pl.lit(None, pl.List(pl.String)).alias("creators"),
        pl.lit(None, pl.Date).alias("published"),
        pl.col("item").is_in(list(retired)).alias("retired"),
    ).with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    items.write_parquet(folder / "items.parquet")
    schema = {"user": pl.Int32, "item": pl.Int32, "signal": pl.UInt8, "timestamp": pl.Int64}
    heard = pl.DataFrame(listens, schema, orient="row").with_columns(value=pl.lit(None, pl.Float32))
    heard.sort("user", "timestamp").write_parquet(folder / "interactions.parquet")
    summary = {"item_types": sorted(set(types)), "signals": SIGNALS, "strong": 1, "counts": {}, "rejected": {}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return ListeningData(folder)
