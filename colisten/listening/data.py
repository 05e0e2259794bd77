"""The checked data set that every other room reads: Parquet tables with dense integer ids."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colisten.arrays import Bools, Codes, Int32s
from colisten.workdir import file_digest

AVAILABILITY = {"item": pl.Int32, "country": pl.String, "from": pl.Int64, "until": pl.Int64}
"""Columns of the table; a folder that was imported before there was one has none."""


@dataclass(frozen=True)
class ListeningData:
    """A folder of checked Parquet files.

    - `interactions.parquet`: `user` int32, `item` int32, `signal` uint8 (place in `signals`), `timestamp` int64 s or
      null, `value` float32 or null; ordered by user, then time.
    - `items.parquet`: `item` int32 (= its place in the file; over all types, kept for life), `item_id`, `item_type`,
      `row` int32 (dense within its type, kept for life), `title`, `description`, `language`, `genres`, `creators`,
      `published`, `series`, `series_position` float32, `retired` (no longer in the catalogue: keeps its rows, is never
      recommended).
    - `users.parquet`: `user` int32 (= its place in the file), `user_id`, `taste` list[float32] or null, then one column
      per feature of the users table, numeric or text. All users with an interaction or a row in that table.
    - `relations.parquet`: `src` int32, `dst` int32 (two different items of today's catalogue), `relation` (declared in
      `graph.relations`, not built in), `weight` float32 in (0, 1]; ordered by relation, src, dst; no row twice.
    - `availability.parquet`: `item` int32, `country` or null (everywhere), `from` int64 s or null (always), `until`
      int64 s (the first second at which the row does not hold any more) or null; ordered by item, country, from. Where
      and when an item may be shown; one without a row everywhere and always, one whose rows were all set aside nowhere.
    - `rejected.parquet`: `file`, `line` int64 (1-based row), `reason`, `row` (JSON of the row as it came).
    - `summary.json`: `item_types`, `signals`, `strong`, `rejected` (reason → rows), and `counts`: rows per file,
      `retired` items, and interactions that are not there: `duplicates`, `ignored` (signals), `taste` (became vectors);
      `unread` (optional values read as missing → how many), `warnings` (sentences);
      `lineage`: an id that changes when interactions of an earlier import are gone; `events`: `seq` of the last event
      that was there, how many were `taken` in and how many `wait` for their item.

    Empty text, empty lists and NaN are null everywhere; a title may be null too. Features are float64 or text.
    """

    root: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "summary.json").read_text())
        return found

    @property
    def interactions(self) -> Path:
        """The interactions file; scan it, since it may be larger than memory."""
        return self.root / "interactions.parquet"

    @property
    def streams(self) -> pl.LazyFrame:
        """The strong interactions, lazily: columns and order of `interactions.parquet`."""
        return pl.scan_parquet(self.interactions, glob=False).filter(pl.col("signal") < self.strong)

    @property
    def listeners(self) -> pl.LazyFrame:
        """Distinct users per item with a stream, lazily: `item`, `listeners` int64."""
        return self.streams.group_by("item").agg(listeners=pl.col("user").n_unique().cast(pl.Int64))

    @cached_property
    def items(self) -> pl.DataFrame:
        return pl.read_parquet(self.root / "items.parquet", glob=False)

    @cached_property
    def users(self) -> pl.DataFrame:
        return pl.read_parquet(self.root / "users.parquet", glob=False)

    @cached_property
    def relations(self) -> pl.DataFrame:
        return pl.read_parquet(self.root / "relations.parquet", glob=False)

    @cached_property
    def availability(self) -> pl.DataFrame:
        path = self.root / "availability.parquet"
        return pl.read_parquet(path, glob=False) if path.exists() else pl.DataFrame(schema=AVAILABILITY)

    @cached_property
    def item_types(self) -> tuple[str, ...]:
        """All item types, in the order of their codes."""
        return tuple(self.summary["item_types"])

    @cached_property
    def type_of(self) -> Codes:
        """Type code of every item, uint8 [items]."""
        codes = self.items["item_type"].cast(pl.Enum(list(self.item_types))).to_physical()
        return codes.to_numpy().astype(np.uint8)

    def of_type(self, item_type: str) -> Bools:
        """[items] whether an item is of this type; all false where there is no such type."""
        return np.asarray(self.items["item_type"].to_numpy() == item_type)

    @cached_property
    def row_of(self) -> Int32s:
        """Row within its type of every item, int32 [items]."""
        return self.items["row"].to_numpy()

    @cached_property
    def signals(self) -> tuple[str, ...]:
        """All signals, strong ones first: a signal's code is its place here."""
        return tuple(self.summary["signals"])

    @property
    def lineage(self) -> str:
        """An id that stays the same as long as the data is append-only; empty where none was recorded."""
        return str(self.summary.get("lineage", ""))

    @property
    def strong(self) -> int:
        """How many of `signals` are strong: codes below this are."""
        return int(self.summary["strong"])

    @property
    def events(self) -> int:
        """`seq` of the last event of `W/events.sqlite` that was there to be taken in; 0 where none was."""
        return int(self.summary.get("events", {}).get("seq", 0))

    def digest(self) -> str:
        """A short hash of the four tables and of the meaning of signal codes; all files are read for it."""
        names = ("interactions", "items", "users", "relations")
        tables = file_digest(*(self.root / f"{name}.parquet" for name in names))
        return hashlib.sha256(json.dumps([tables, self.signals, self.strong]).encode()).hexdigest()[:16]
