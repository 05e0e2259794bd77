"""Small listening worlds by the contract, written as the folder that `listening/` gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Floats
from colisten.listening.data import ListeningData
from tests.worlds import Columns, Event, plain_users, write_listening

SIGNALS = ("stream", "follow", "preview")


def write(folder: Path, item_types: list[str], events: list[Event], users: pl.DataFrame) -> ListeningData:
    """`item_types` names each item's type, ordered by type; some items have no language, some no genre."""
    places = range(len(item_types))
    items: Columns = {
        "language": ["en" if i % 3 else None for i in places],
        "genres": [[f"g{i % 4}"] if i % 5 else None for i in places],
    }
    return write_listening(folder, item_types, events, items=items, users=users, signals=SIGNALS)


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
    events: list[Event] = []
    for user in range(users):
        mine = np.flatnonzero(quarter == user % 4)
        for item in rng.choice(mine, len(mine) // 2, replace=False):
            signal = int(rng.choice(3, p=[0.7, 0.2, 0.1]))
            events.append((user, int(item), signal, int(rng.integers(0, 100 * 86400)) if timed else None))
    table = described_users(users, rng) if described else plain_users(users)
    text = np.eye(4, 8, dtype=np.float32)[quarter] + rng.normal(0, 0.1, (len(quarter), 8)).astype(np.float32)
    return write(folder, item_types, events, table), text
