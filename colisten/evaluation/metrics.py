"""Accuracy metrics: HR, NDCG, recall, precision, MRR, and recall and NDCG by value, one polars aggregation each.

A row is one held-out (user, item) pair; `rank` is its place in the user's list, 1 first, null where it was not
recommended, `value` how much of it was streamed (seconds, completion). Group by user, then average over users: a user
without recommendations counts as zero.
"""

from __future__ import annotations

import polars as pl

RANK = pl.col("rank")


def accuracy_metrics(k: int) -> list[pl.Expr]:
    """All accuracy metrics at `k`, and MRR@100."""
    return [hit_rate(k), ndcg(k), recall(k), precision(k), reciprocal_rank(100)]


def value_metrics(k: int) -> list[pl.Expr]:
    """The metrics at `k` that weigh each held-out item by its value."""
    return [value_recall(k), value_ndcg(k)]


def _found(k: int) -> pl.Expr:
    return RANK.le(k).fill_null(value=False)


def hit_rate(k: int) -> pl.Expr:
    """HR@k of a user: 1 if any held-out item is among the first k, else 0.

    >>> ranks = pl.DataFrame({"user_id": ["a", "a", "b"], "rank": [1, None, 3]})
    >>> ranks.group_by("user_id", maintain_order=True).agg(hit_rate(2))["hr@2"].to_list()
    [1.0, 0.0]
    """
    return _found(k).any().cast(pl.Float64).alias(f"hr@{k}")


def ndcg(k: int) -> pl.Expr:
    """NDCG@k of a user: Σ 1/log2(rank + 1) over held-out items among the first k, over the best possible such sum.

    >>> ranks = pl.DataFrame({"user_id": ["a", "b", "b"], "rank": [3, 1, 2]})
    >>> ranks.group_by("user_id", maintain_order=True).agg(ndcg(3))["ndcg@3"].to_list()
    [0.5, 1.0]
    """
    gain = pl.when(_found(k)).then(1 / (RANK + 1).log(2)).otherwise(0).sum()
    places = pl.int_range(1, pl.min_horizontal(pl.len(), k) + 1)
    return (gain / (1 / (places + 1).log(2)).sum()).alias(f"ndcg@{k}")


def recall(k: int) -> pl.Expr:
    """Recall@k of a user: the share of held-out items that are among the first k.

    >>> ranks = pl.DataFrame({"user_id": ["a", "a", "b"], "rank": [1, None, 3]})
    >>> ranks.group_by("user_id", maintain_order=True).agg(recall(2))["recall@2"].to_list()
    [0.5, 0.0]
    """
    return _found(k).mean().alias(f"recall@{k}")


def precision(k: int) -> pl.Expr:
    """Precision@k of a user: held-out items among the first k, over k (also where the list is shorter).

    >>> ranks = pl.DataFrame({"user_id": ["a", "a", "b"], "rank": [1, 2, 5]})
    >>> ranks.group_by("user_id", maintain_order=True).agg(precision(4))["precision@4"].to_list()
    [0.5, 0.0]
    """
    return (_found(k).sum() / k).alias(f"precision@{k}")


def reciprocal_rank(k: int) -> pl.Expr:
    """Reciprocal rank@k of a user: 1/rank of the first held-out item found, 0 if none is among the first k.

    >>> ranks = pl.DataFrame({"user_id": ["a", "a", "b"], "rank": [4, 2, None]})
    >>> ranks.group_by("user_id", maintain_order=True).agg(reciprocal_rank(100))["mrr@100"].to_list()
    [0.5, 0.0]
    """
    return pl.when(_found(k)).then(1 / RANK).max().fill_null(0).alias(f"mrr@{k}")


def value_recall(k: int) -> pl.Expr:
    """Value recall@k of a user: the value of the held-out items among the first k over that of all.

    >>> pairs = pl.DataFrame({"user_id": ["a", "a", "b"], "rank": [1, None, 1], "value": [1.0, 3.0, 0.0]})
    >>> pairs.group_by("user_id", maintain_order=True).agg(value_recall(2))["value recall@2"].to_list()
    [0.25, 0.0]
    """
    found = pl.when(_found(k)).then(pl.col("value")).otherwise(0).sum()
    return _part(found, pl.col("value").sum()).alias(f"value recall@{k}")


def value_ndcg(k: int) -> pl.Expr:
    """NDCG@k of a user with gains in proportion to value: the ideal list is ordered by it.

    >>> pairs = pl.DataFrame({"user_id": ["a", "a"], "rank": [2, 1], "value": [3.0, 1.0]})
    >>> pairs.group_by("user_id").agg(value_ndcg(2).round(4))["value ndcg@2"].to_list()
    [0.7967]
    """
    value = pl.col("value")
    gain = pl.when(_found(k)).then(value / (RANK + 1).log(2)).otherwise(0).sum()
    ideal = value.sort(descending=True).head(k)
    places = pl.int_range(1, pl.min_horizontal(pl.len(), k) + 1)
    return _part(gain, (ideal / (places + 1).log(2)).sum()).alias(f"value ndcg@{k}")


def _part(some: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(some / whole).otherwise(0.0)
