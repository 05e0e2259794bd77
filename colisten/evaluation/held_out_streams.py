"""The test set: the held-out streams of a split, with the segments that they belong to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from colisten.errors import DataError
from colisten.listening.data import ListeningData

HEAD = 0.2
"""Share of the streamed items, the most streamed ones, that is not the long tail."""
COUNTRIES = 10
"""At most so many countries, the most frequent ones, are segments of their own."""


@dataclass(frozen=True)
class HeldOutStreams:
    """The held-out streams of one item type."""

    item_type: str
    pairs: pl.DataFrame
    """`user_id`, `item_id`; of the user: `warm` (some event of this type in training), `country` (null: unknown); of
    the item: `tail` (outside the most streamed fifth), `unseen` (no stream in training); of the pair: `value` (seconds,
    completion; null everywhere where the split has no values)."""
    catalogue: pl.DataFrame
    """`item_id`, `genres`, `listeners` (in training) of every item of the type."""
    streamed: pl.DataFrame
    """`user_id`, `item_id`: what the test users streamed of this type in training."""
    listeners: int
    """Users with a stream of this type in training."""

    @property
    def users(self) -> pl.Series:
        """The test users, in order."""
        return self.pairs["user_id"].unique().sort()

    @property
    def segments(self) -> dict[str, pl.Expr]:
        """Name → mask of the `pairs` that belong to it."""
        everywhere = {
            "all": pl.lit(value=True),
            "warm": pl.col("warm"),
            "cold": ~pl.col("warm"),
            "tail items": pl.col("tail"),
            "unseen items": pl.col("unseen"),
        }
        by_users = self.pairs.drop_nulls("country").group_by("country").agg(users=pl.col("user_id").n_unique())
        frequent = by_users.sort("users", "country", descending=[True, False])["country"].head(COUNTRIES)
        return everywhere | {f"country {name}": pl.col("country") == name for name in frequent}


def read_held_out(split: Path) -> list[HeldOutStreams]:
    """Read a split folder: one entry per held-out item type, the target first.

    `split` holds `test.parquet` (`user_id`, `item_id`), `split.json` (`target`; `strong`, comma-separated) and
    `train/`, a folder of the listening contract.

    Raises:
        DataError: a part is missing or cannot be read.
    """
    try:
        about = json.loads((split / "split.json").read_text())
        test = pl.read_parquet(split / "test.parquet", glob=False)
        train = pl.scan_parquet(split / "train" / "interactions.parquet", glob=False).with_columns(
            _text("user_id", "item_id")
        )
        items = pl.read_parquet(split / "train" / "items.parquet", glob=False).with_columns(_text("item_id"))
        users = split / "train" / "users.parquet"
        countries = _countries(pl.read_parquet(users, glob=False)) if users.exists() else _countries(pl.DataFrame())
        pairs = _with_values(_with_types(test, items, about["target"]), split / "values.parquet")
        types = sorted(pairs["item_type"].unique(), key=lambda name: (name != about["target"], name))
        return [_of_type(name, pairs, train, items, countries, _strong(about)) for name in types]
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{split} is not a split that can be read ({error}): make one with `colisten data split`."
        ) from error


def _strong(about: dict[str, Any]) -> list[str]:
    strong = about["strong"]
    return strong.split(",") if isinstance(strong, str) else list(strong)


def _text(*names: str) -> list[pl.Expr]:
    return [pl.col(name).cast(pl.String) for name in names]


def _countries(users: pl.DataFrame) -> pl.DataFrame:
    if "country" not in users.columns:
        return pl.DataFrame(schema={"user_id": pl.String, "country": pl.String})
    return users.select(_text("user_id", "country")).unique("user_id")


def _with_types(test: pl.DataFrame, items: pl.DataFrame, target: str) -> pl.DataFrame:
    """The held-out pairs with `item_type`; that of an item outside the catalogue is the target."""
    pairs = test.select(_text("user_id", "item_id")).unique(maintain_order=True)
    known = items.select("item_id", pl.col("item_type").cast(pl.String)).unique("item_id")
    return pairs.join(known, on="item_id", how="left").with_columns(pl.col("item_type").fill_null(target))


def _with_values(pairs: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The pairs with `value`, at least 0; where it is not known, the mean over the other pairs of the type."""
    if not path.exists():
        return pairs.with_columns(value=pl.lit(None, pl.Float64))
    known = pl.read_parquet(path, glob=False).select(
        *_text("user_id", "item_id"), pl.col("value").cast(pl.Float64).clip(0)
    )
    found = pairs.join(
        known.unique(["user_id", "item_id"]), on=["user_id", "item_id"], how="left", maintain_order="left"
    )
    return found.with_columns(pl.col("value").fill_null(pl.col("value").mean().over("item_type")))


def _of_type(
    name: str,
    pairs: pl.DataFrame,
    train: pl.LazyFrame,
    items: pl.DataFrame,
    countries: pl.DataFrame,
    strong: list[str],
) -> HeldOutStreams:
    mine = train.filter(pl.col("item_type") == name)
    streams = mine.filter(pl.col("signal").is_in(strong))
    per_item = streams.group_by("item_id").agg(streams=pl.len(), listeners=pl.col("user_id").n_unique()).collect()
    test = pairs.filter(pl.col("item_type") == name).drop("item_type")
    warm = mine.select("user_id").unique().collect()["user_id"]
    head = per_item.sort("streams", "item_id", descending=[True, False])["item_id"].head(int(HEAD * len(per_item)))
    has_genres = items.schema.get("genres") == pl.List(pl.String)
    genres = pl.col("genres") if has_genres else pl.lit(None, dtype=pl.List(pl.String)).alias("genres")
    catalogue = (
        items.filter(pl.col("item_type") == name).select("item_id", genres).unique("item_id", maintain_order=True)
    )
    return HeldOutStreams(
        item_type=name,
        pairs=test.join(countries, on="user_id", how="left", maintain_order="left").with_columns(
            warm=pl.col("user_id").is_in(warm.implode()),
            tail=~pl.col("item_id").is_in(head.implode()),
            unseen=~pl.col("item_id").is_in(per_item["item_id"].implode()),
        ),
        catalogue=catalogue.join(
            per_item.select("item_id", "listeners"), on="item_id", how="left", maintain_order="left"
        ).with_columns(pl.col("listeners").fill_null(0)),
        streamed=streams.select("user_id", "item_id")
        .unique()
        .join(test.lazy().select("user_id").unique(), on="user_id")
        .collect(),
        listeners=streams.select(pl.col("user_id").n_unique()).collect().item(),
    )


def check_no_leaks(data: ListeningData, held_out: list[HeldOutStreams]) -> None:
    """Make sure that the training data holds none of the held-out streams.

    Raises:
        DataError: some held-out pair is a stream in `data`.
    """
    hidden = pl.concat([part.pairs.select("user_id", "item_id") for part in held_out]).lazy()
    users = data.users.lazy().select("user", "user_id")
    items = data.items.lazy().select("item", "item_id")
    streams = data.streams.select("user", "item").unique()
    known = hidden.join(users, on="user_id").join(items, on="item_id").join(streams, on=["user", "item"], how="semi")
    leaked = known.select(pl.len()).collect().item()
    if leaked:
        raise DataError(
            f"{leaked:,} of the held-out streams are in the data that the models were trained on: run `colisten run` "
            "on the split's own train folder first."
        )
