"""The same users and items with other interactions: training data without a validation part."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile

import polars as pl

from colisten.listening.data import ListeningData


def with_interactions(data: ListeningData, interactions: pl.LazyFrame, folder: Path) -> ListeningData:
    """Write `interactions` (columns as in `ListeningData`) into the existing `folder`, with all else as in `data`."""
    for name in ("items.parquet", "users.parquet", "relations.parquet", "summary.json"):
        copyfile(data.root / name, folder / name)
    interactions.sink_parquet(folder / "interactions.parquet")
    return ListeningData(folder)
