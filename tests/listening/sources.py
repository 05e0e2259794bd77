"""Small source folders for imports, and what came of them with ids again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings

ITEMS: list[dict[str, Any]] = [
    {"item_id": "book", "item_type": "audiobook", "title": "A book"},
    {"item_id": "other", "item_type": "audiobook", "title": "Another book"},
    {"item_id": "show", "item_type": "podcast", "title": "A show"},
]
EVENT = {"user_id": "u", "item_id": "book", "item_type": "audiobook", "signal": "stream", "timestamp": 1, "value": 1.0}


def event(**changes: Any) -> dict[str, Any]:
    """An interaction that can be imported, but for the changes."""
    return EVENT | changes


class Importer:
    """Writes small sources and imports them."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        self.out = folder / "out"
        self.source.mkdir()

    def write(
        self,
        events: Sequence[Mapping[str, Any]] = (EVENT,),
        items: Sequence[Mapping[str, Any]] = tuple(ITEMS),
        users: Sequence[Mapping[str, Any]] = (),
    ) -> Importer:
        """Write the tables that have rows as Parquet; others stay as they are."""
        for name, rows in (("interactions", events), ("items", items), ("users", users)):
            if rows:
                pl.DataFrame(rows, infer_schema_length=None).write_parquet(self.source / f"{name}.parquet")
        return self

    def write_text(self, name: str, content: str) -> Importer:
        """Write a file of the source, whatever it is."""
        (self.source / name).parent.mkdir(parents=True, exist_ok=True)
        (self.source / name).write_text(content, encoding="utf-8")
        return self

    def run(self, *overrides: str, source: str | None = None) -> ListeningData:
        """Import with the settings `key=value` of `overrides`."""
        with Progress(quiet=True) as progress:
            return import_data(source or str(self.source), self.out, Settings.load(overrides), progress)


def named(data: ListeningData) -> pl.DataFrame:
    """The interactions with ids and signal names again."""
    events = pl.read_parquet(data.interactions)
    signals = pl.Series("name", list(data.signals))
    return (
        events.join(data.users.select("user", "user_id"), on="user", maintain_order="left")
        .join(data.items.select("item", "item_id", "item_type"), on="item", maintain_order="left")
        .with_columns(signal=pl.lit(signals).implode().list.get(pl.col("signal").cast(pl.UInt32)))
        .select("user_id", "item_id", "item_type", "signal", "timestamp", "value")
    )
