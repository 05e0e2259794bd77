"""The same users and items with other interactions: training data without a validation part."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile

import polars as pl
from pyarrow.parquet import ParquetWriter

from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories
from colisten.listening.history_reading import INTERACTIONS, interactions_of


def with_interactions(data: ListeningData, interactions: pl.LazyFrame, folder: Path) -> ListeningData:
    """Write `interactions` (columns as in `ListeningData`) into the existing `folder`, with all else as in `data`."""
    interactions.sink_parquet(folder / "interactions.parquet")
    return _beside(data, folder)


def with_histories(data: ListeningData, histories: UserHistories, folder: Path) -> ListeningData:
    """The same with the events of these histories, which are those of all users; in bounded memory."""
    schema = pl.DataFrame(schema=INTERACTIONS).to_arrow().schema
    with ParquetWriter(folder / "interactions.parquet", schema) as out:
        for some in interactions_of(histories):
            out.write_table(some.to_arrow())
    return _beside(data, folder)


def _beside(data: ListeningData, folder: Path) -> ListeningData:
    for name in ("items.parquet", "users.parquet", "relations.parquet", "summary.json"):
        copyfile(data.root / name, folder / name)
    return ListeningData(folder)
