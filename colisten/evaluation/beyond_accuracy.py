"""Beyond-accuracy metrics of lists: coverage, concentration, popularity, novelty, diversity, calibration.

`lists` has one row per recommendation: `user_id`, `item_id`, `rank`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from colisten.arrays import Floats


def first(lists: pl.DataFrame, k: int) -> pl.DataFrame:
    """The first k of every list."""
    return lists.filter(pl.col("rank") <= k)


def coverage(lists: pl.DataFrame, k: int, catalogue: int) -> float:
    """Coverage@k: the share of the catalogue that is among the first k of any user.

    >>> lists = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    >>> coverage(lists, 1, catalogue=4), coverage(lists, 2, catalogue=4)
    (0.25, 0.5)
    """
    return first(lists, k)["item_id"].n_unique() / catalogue


def long_tail(lists: pl.DataFrame, k: int, listeners: pl.DataFrame) -> list[float]:
    """Share of all places in the first k that the most popular 0 %, 1 %, …, 100 % of the catalogue have: 101 numbers.

    `listeners`: `item_id`, `listeners` of every item. A straight line treats all items equally; the earlier the curve
    rises, the more places popular items have.

    >>> lists = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    >>> found = long_tail(lists, 2, pl.DataFrame({"item_id": ["z", "y", "x", "w"], "listeners": [9, 5, 2, 0]}))
    >>> [round(found[percent], 2) for percent in (0, 25, 50, 75, 100)]
    [0.0, 0.0, 0.33, 1.0, 1.0]
    """
    shown = first(lists, k).group_by("item_id").agg(shown=pl.len())
    order = listeners.sort("listeners", "item_id", descending=[True, False])
    counts = order.join(shown, on="item_id", how="left", maintain_order="left")["shown"].fill_null(0)
    return cumulative(counts)


def cumulative(counts: pl.Series) -> list[float]:
    """Share of the sum that lies in the first 0 %, 1 %, …, 100 % of `counts`."""
    sums = np.concatenate([[0.0], np.cumsum(counts.to_numpy())])
    share = np.interp(np.linspace(0, len(counts), 101), np.arange(len(sums)), sums) / max(float(sums[-1]), 1.0)
    return [round(float(value), 5) for value in share]


def gini(lists: pl.DataFrame, k: int, catalogue: int) -> float:
    """Gini@k of how often each of n items is shown: Σ (2i − n − 1) xᵢ / (n Σ xᵢ), xᵢ ascending; 0 even, 1 concentrated.

    >>> lists = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    >>> round(gini(lists, 2, catalogue=2), 4), gini(lists.head(2), 2, catalogue=2)
    (0.1667, 0.0)
    """
    shown = np.zeros(catalogue)
    counts = first(lists, k)["item_id"].value_counts()["count"].sort().to_numpy()
    if not len(counts):
        return 0.0
    shown[catalogue - len(counts) :] = counts
    places = np.arange(1, catalogue + 1)
    return float(((2 * places - catalogue - 1) * shown).sum() / (catalogue * shown.sum()))


def novelty(lists: pl.DataFrame, k: int, listeners: pl.DataFrame, users: int) -> pl.DataFrame:
    """Novelty@k of each user: the mean of −log2 p(item), p = (listeners + 1) / (users + 1) in training.

    (Vargas & Castells 2011; the +1 keeps items without listeners finite.) `listeners`: `item_id`, `listeners`.

    >>> lists = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    >>> listeners = pl.DataFrame({"item_id": ["x"], "listeners": [3]})
    >>> novelty(lists, 2, listeners, users=7).sort("user_id")["novelty@2"].to_list()
    [2.0, 1.0]
    """
    known = first(lists, k).join(listeners, on="item_id", how="left")
    share = (pl.col("listeners").fill_null(0) + 1) / (users + 1)
    return known.group_by("user_id").agg((-share.log(2)).mean().alias(f"novelty@{k}"))


def popularity(lists: pl.DataFrame, k: int, listeners: pl.DataFrame, users: int) -> pl.DataFrame:
    """Average recommendation popularity of each user: the mean share of `users` who streamed each of the first k.

    >>> lists = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    >>> listeners = pl.DataFrame({"item_id": ["x"], "listeners": [4]})
    >>> popularity(lists, 2, listeners, users=8).sort("user_id")["popularity@2"].to_list()
    [0.25, 0.5]
    """
    known = first(lists, k).join(listeners, on="item_id", how="left")
    share = pl.col("listeners").fill_null(0) / users
    return known.group_by("user_id").agg(share.mean().alias(f"popularity@{k}"))


def popularity_lift(popularity: pl.DataFrame, profiles: pl.DataFrame, k: int) -> float:
    """Popularity lift (Abdollahpouri et al. 2020): (GAP of the lists − GAP of the profiles) / GAP of the profiles.

    GAP is the mean over users of the mean popularity of their items, over users who have both. `popularity` and
    `profiles` are what `popularity()` gives for the lists and for the histories of the same users. 0: lists as popular
    as histories; 1: twice as popular.

    >>> lists = pl.DataFrame({"user_id": ["a", "b"], "popularity@2": [0.3, 0.6]})
    >>> profiles = pl.DataFrame({"user_id": ["a", "b", "c"], "popularity@2": [0.1, 0.2, 0.9]})
    >>> round(popularity_lift(lists, profiles, 2), 4)
    2.0
    """
    name = f"popularity@{k}"
    both = popularity.join(profiles.rename({name: "profile"}), on="user_id").select(pl.col(name, "profile").mean())
    shown, profile = both.row(0)
    return float(shown / profile - 1) if profile else float("nan")


def diversity(lists: pl.DataFrame, k: int, item_ids: pl.Series, vectors: Floats) -> pl.DataFrame:
    """Intra-list diversity@k of each user: the mean of 1 − cos over all pairs of the first k; null for one item.

    With unit vectors, Σ over pairs of cos is (‖Σ v‖² − Σ ‖v‖²) / 2. `vectors`: float32 [items, width] of `item_ids`;
    an all-zero vector is at distance 1 from all others.

    >>> lists = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    >>> found = diversity(lists, 2, pl.Series(["x", "y"]), np.float32([[2, 0], [0, 1]]))
    >>> found.sort("user_id")["diversity@2"].to_list()
    [1.0, None]
    """
    places = pl.DataFrame({"item_id": item_ids, "place": np.arange(len(item_ids))})
    known = first(lists, k).join(places, on="item_id").sort("user_id")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(length == 0, 1, length))[known["place"].to_numpy()]
    users = known.group_by("user_id", maintain_order=True).len("n")
    n = users["n"].to_numpy().astype(np.int64)
    starts = np.cumsum(n) - n
    of_sum = (np.add.reduceat(unit, starts, axis=0) ** 2).sum(1) if len(n) else np.zeros(0)
    of_each = np.add.reduceat((unit**2).sum(1), starts) if len(n) else np.zeros(0)
    pairs = np.where(n > 1, n * (n - 1), 1)
    value = pl.Series(f"diversity@{k}", 1 - (of_sum - of_each) / pairs, dtype=pl.Float64)
    return users.with_columns(pl.when(pl.col("n") > 1).then(value).alias(value.name)).drop("n")


def calibration(lists: pl.DataFrame, k: int, streamed: pl.DataFrame, genres: pl.DataFrame) -> pl.DataFrame:
    """Miscalibration of each user's first k: KL(p ‖ .99 q + .01 p) of genres, 0 where they are equal.

    p: genres of what the user streamed, q: of the list; an item shares its weight among its genres (Steck 2018).
    `streamed`: `user_id`, `item_id`; `genres`: `item_id`, `genres` list[str]. Users with neither are left out.

    >>> lists = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"], "rank": [1, 1]})
    >>> streamed = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "x"]})
    >>> genres = pl.DataFrame({"item_id": ["x", "y"], "genres": [["crime"], ["history"]]})
    >>> calibration(lists, 1, streamed, genres).sort("user_id")["calibration@1"].round(4).to_list()
    [0.0, 4.6052]
    """
    profile, shown = _genre_shares(streamed, genres), _genre_shares(first(lists, k), genres)
    both = profile.join(shown.select("user_id").unique(), on="user_id", how="semi")
    p, q = pl.col("share"), pl.col("share_shown").fill_null(0)
    divergence = (p * (p / (0.99 * q + 0.01 * p)).log()).sum().alias(f"calibration@{k}")
    joined = both.join(shown, on=["user_id", "genre"], how="left", suffix="_shown")
    return joined.group_by("user_id").agg(divergence)


def _genre_shares(pairs: pl.DataFrame, genres: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `genre`, `share` (sums to 1 per user) of some (user, item) pairs."""
    weighed = genres.with_columns(pl.col("genres").list.unique()).with_columns(weight=1 / pl.col("genres").list.len())
    long = weighed.explode("genres").drop_nulls("genres").rename({"genres": "genre"})
    sums = (
        pairs.select("user_id", "item_id").join(long, on="item_id").group_by("user_id", "genre").agg(pl.sum("weight"))
    )
    return sums.select("user_id", "genre", share=pl.col("weight") / pl.col("weight").sum().over("user_id"))
