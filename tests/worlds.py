"""Small listening data made by hand: the folder that an import writes, by the contract of `ListeningData`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from colisten.listening.data import ListeningData
from colisten.listening.lineage import lineage_id
from colisten.workdir import write_json

Event = tuple[int, int, int, int | None]
"""(user, item, signal code, timestamp)"""
Relation = tuple[int, int, str, float]
"""(source item, destination item, relation, weight)"""
Columns = Mapping[str, Sequence[object] | pl.Series]
ITEMS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "item": pl.Int32, "item_id": pl.String, "item_type": pl.String, "row": pl.Int32, "title": pl.String,
    "description": pl.String, "language": pl.String, "genres": pl.List(pl.String), "creators": pl.List(pl.String),
    "published": pl.Date, "series": pl.String, "series_position": pl.Float32, "retired": pl.Boolean,
}  # fmt: skip
INTERACTIONS = {
    "user": pl.Int32, "item": pl.Int32, "signal": pl.UInt8, "timestamp": pl.Int64, "value": pl.Float32,
}  # fmt: skip
RELATIONS = {"src": pl.Int32, "dst": pl.Int32, "relation": pl.String, "weight": pl.Float32}
AVAILABILITY = {"item": pl.Int32, "country": pl.String, "from": pl.Int64, "until": pl.Int64}
REJECTED = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "row": pl.String}


def write_listening(
    folder: Path, item_types: Sequence[str], events: Sequence[Event], *, items: Columns | None = None,
    users: pl.DataFrame | None = None, relations: Sequence[Relation] = (),
    signals: Sequence[str] = ("stream", "follow"), strong: int = 1,
) -> ListeningData:  # fmt: skip
    """Write `folder` and open it.

    Args:
        folder: made where missing.
        item_types: the type of each item, in the order of item numbers.
        events: the interactions, in any order; of equal ones, one is kept.
        items: item columns in place of the defaults: an id, a title, nothing else known, still in the catalogue.
        users: columns `user`, `user_id`, `taste`, features; None: those of the events and before them, with an id only.
        relations: the platform's own, in any order.
        signals: names of the signals, strong ones first.
        strong: how many of them are strong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = plain_users(1 + max((user for user, *_ in events), default=-1)) if users is None else users
    catalogue = _items(item_types, items or {})
    interactions = pl.DataFrame([(*event, None) for event in events], INTERACTIONS, orient="row").unique()
    catalogue.write_parquet(folder / "items.parquet")
    table.write_parquet(folder / "users.parquet")
    interactions.sort("user", "timestamp", "item", "signal").write_parquet(folder / "interactions.parquet")
    related = pl.DataFrame(relations, RELATIONS, orient="row").sort("relation", "src", "dst")
    related.write_parquet(folder / "relations.parquet")
    pl.DataFrame(schema=AVAILABILITY).write_parquet(folder / "availability.parquet")
    pl.DataFrame(schema=REJECTED).write_parquet(folder / "rejected.parquet")
    counts = {"interactions": len(interactions), "items": len(catalogue), "users": len(table), "rejected": 0}
    counts |= {"relations": len(related), "availability": 0}
    absent = {"retired": int(catalogue["retired"].sum()), "duplicates": len(events) - len(interactions)}
    summary = {
        "item_types": catalogue["item_type"].unique(maintain_order=True).to_list(),
        "signals": list(signals),
        "strong": strong,
        "counts": counts | absent | {"ignored": 0, "taste": 0},
        "rejected": {},
        "unread": {},
        "warnings": [],
        "events": {"seq": 0, "taken": 0, "wait": 0},
        "source": {},
        "lineage": lineage_id(folder / "interactions.parquet", ""),
    }
    write_json(folder / "summary.json", summary)
    return ListeningData(folder)


def plain_users(count: int) -> pl.DataFrame:
    """Users with an id and nothing else."""
    return pl.DataFrame(
        {
            "user": np.arange(count, dtype=np.int32),
            "user_id": pl.Series([f"u{i}" for i in range(count)], dtype=pl.String),
            "taste": pl.Series([None] * count, dtype=pl.List(pl.Float32)),
        }
    )


def _items(item_types: Sequence[str], columns: Columns) -> pl.DataFrame:
    numbers = pl.int_range(pl.len(), dtype=pl.Int32)
    defaults = pl.DataFrame({"item_type": pl.Series(item_types, dtype=pl.String)}).with_columns(
        item=numbers,
        item_id=pl.format("i{}", numbers),
        row=numbers.over("item_type"),
        title=pl.format("Title {}", numbers),
        retired=pl.lit(value=False),
    )
    given = {name: pl.Series(name, values, dtype=ITEMS[name]) for name, values in columns.items()}
    missing = [pl.lit(None, kind).alias(name) for name, kind in ITEMS.items() if name not in defaults.columns]
    return defaults.with_columns(missing).with_columns(**given).select(list(ITEMS))
