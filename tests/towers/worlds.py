"""Small listening worlds by the contract, written as the folder that `listening/` gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Floats
from colisten.listening.data import ListeningData

SIGNALS = ("stream", "follow", "preview")


def write(
    folder: Path, item_types: list[str], events: list[tuple[int, int, int, int | None]], users: pl.DataFrame
) -> ListeningData:
    """`item_types` names each item's type, ordered by type; `events` are (user, item, signal, timestamp)."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(set(item_types))
    items = pl.DataFrame({"item_type": item_types}).select(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("item"),
        pl.format("i{}", pl.int_range(pl.len())).alias("item_id"),
        "item_type",
        pl.int_range(pl.len(), dtype=pl.Int32).over("item_type").alias("row"),
        pl.format("Title {}", pl.int_range(pl.len())).alias("title"),
        pl.Series("description", [None] * len(item_types), pl.String),
        pl.Series("language", ["en" if i % 3 else None for i in range(len(item_types))], pl.String),
        pl.Series("genres", [[f"g{i % 4}"] if i % 5 else None for i in range(len(item_types))], pl.List(pl.String)),
        pl.lit(False).alias("retired"),
    )
    items.write_parquet(folder / "items.parquet")
    users.write_parquet(folder / "users.parquet")
    schema = {"user": pl.Int32, "item": pl.Int32, "signal": pl.UInt8, "timestamp": pl.Int64}
    table = pl.DataFrame(events, schema=schema, orient="row").with_columns(pl.lit(None, pl.Float32).alias("value"))
    table.sort("user", "timestamp").write_parquet(folder / "interactions.parquet")
    (folder / "summary.json").write_text(json.dumps({"item_types": names, "signals": SIGNALS, "strong": 1}))
    return ListeningData(folder)


def plain_users(count: int) -> pl.DataFrame:
    """Users of whom nothing but an id is known."""
    return pl.DataFrame(
        {"user": np.arange(count, dtype=np.int32), "user_id": [f"u{i}" for i in range(count)]}
    ).with_columns(pl.lit(None, pl.List(pl.Float32)).alias("taste"))


def described_users(count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Users with an age, a country and a taste, each missing for some."""
    ages = [int(age) if age > 20 else None for age in rng.integers(15, 70, count)]
    countries = [["GB", "US", "SE", None][i] for i in rng.integers(0, 4, count)]
    tastes = [rng.normal(size=4).tolist() if i % 3 else None for i in range(count)]
    taste = pl.Series("taste", tastes, pl.List(pl.Float32))
    return plain_users(count).with_columns(taste, age=pl.Series(ages), country=pl.Series(countries, dtype=pl.String))


def clustered(
    folder: Path,
    *,
    types: tuple[str, ...] = ("book", "pod"),
    users: int = 120,
    per_type: int = 24,
    timed: bool = False,
    described: bool = True,
) -> tuple[ListeningData, Floats]:
    """Four circles of users, each hearing its own quarter of every type; and text that tells the quarters apart."""
    rng = np.random.default_rng(3)
    item_types = [name for name in sorted(types) for _ in range(per_type)]
    quarter = np.arange(len(item_types)) % 4
    events: list[tuple[int, int, int, int | None]] = []
    for user in range(users):
        mine = np.flatnonzero(quarter == user % 4)
        for item in rng.choice(mine, len(mine) // 2, replace=False):
            signal = int(rng.choice(3, p=[0.7, 0.2, 0.1]))
            events.append((user, int(item), signal, int(rng.integers(0, 100 * 86400)) if timed else None))
    table = described_users(users, rng) if described else plain_users(users)
    text = np.eye(4, 8, dtype=np.float32)[quarter] + rng.normal(0, 0.1, (len(quarter), 8)).astype(np.float32)
    return write(folder, item_types, events, table), text
