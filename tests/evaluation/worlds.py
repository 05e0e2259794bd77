"""Small random splits and recommendations to evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from colisten.arrays import Bools
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings


def import_split(split: Path, out: Path, *settings: str) -> ListeningData:
    """The training part of a split, imported."""
    return import_data(str(split / "train"), out, Settings.load(settings), Progress(quiet=True))


def random_split(root: Path, seed: int = 7, users: int = 30, items: int = 24) -> Path:
    """A split of two types (books, the target, and shows), a fifth of all streams held out, some users cold to books.

    One book has no listener in training, and some users have a country.
    """
    rng = np.random.default_rng(seed)
    kind = np.where(np.arange(items) % 3 == 0, "book", "show")
    streamed = rng.random((users, items)) < np.linspace(0.05, 0.5, items)
    hidden = streamed & (rng.random(streamed.shape) < 0.2) & (kind == "book")
    cold = np.arange(users) % 7 == 0
    hidden |= streamed & cold[:, None] & (kind == "book")
    hidden[:, 3] = streamed[:, 3]
    (root / "train").mkdir(parents=True)
    _pairs(streamed & ~hidden, kind).write_parquet(root / "train" / "interactions.parquet")
    genres = [[["crime", "history", "science"][i % 3], "long"][: 1 + i % 2] for i in range(items)]
    pl.DataFrame(
        {
            "item_id": _ids("i", items),
            "item_type": kind,
            "title": [f"title {i}" for i in range(items)],
            "genres": genres,
        }
    ).write_parquet(root / "train" / "items.parquet")
    country = ["SE", "US", None]
    pl.DataFrame({"user_id": _ids("u", users), "country": [country[i % 3] for i in range(users)]}).write_parquet(
        root / "train" / "users.parquet"
    )
    test = _pairs(hidden, kind).select("user_id", "item_id")
    known = _pairs(streamed & ~hidden, kind).select("user_id").unique()
    test.join(known, on="user_id", how="semi").write_parquet(root / "test.parquet")
    (root / "split.json").write_text(json.dumps({"target": "book", "strong": "stream"}))
    return root


def _ids(letter: str, count: int) -> list[str]:
    return [f"{letter}{i:03}" for i in range(count)]


def _pairs(chosen: Bools, kind: npt.NDArray[np.str_]) -> pl.DataFrame:
    users, items = np.nonzero(chosen)
    return pl.DataFrame(
        {
            "user_id": np.array(_ids("u", chosen.shape[0]))[users],
            "item_id": np.array(_ids("i", chosen.shape[1]))[items],
            "item_type": kind[items],
            "signal": ["stream"] * len(users),
            "timestamp": pl.Series(1_700_000_000 + 3_600 * np.arange(len(users)), dtype=pl.Int64),
            "value": pl.Series([None] * len(users), dtype=pl.Float32),
        }
    )


def random_lists(split: Path, seed: int, depth: int = 100) -> pl.DataFrame:
    """Random recommendations of the target type, streamed items among them, for most test users; ranks from 1."""
    rng = np.random.default_rng(seed)
    target = json.loads((split / "split.json").read_text())["target"]
    items = pl.read_parquet(split / "train" / "items.parquet").filter(pl.col("item_type") == target)["item_id"]
    users = pl.read_parquet(split / "test.parquet")["user_id"].unique().sort()
    rows = [
        {"user_id": user, "item_id": items[int(item)], "item_type": target, "score": -float(place), "rank": place + 1}
        for user in users
        if rng.random() < 0.9
        for place, item in enumerate(rng.permutation(len(items))[: int(rng.integers(1, depth + 1))])
    ]
    return pl.DataFrame(rows)


def sparse_matrix(rows: list[list[float]]) -> sparse.csr_matrix:
    """An interaction matrix, [users, items]."""
    return sparse.csr_matrix(np.array(rows, np.float32))
