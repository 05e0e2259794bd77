"""Every accuracy metric against plain Python, and against PyG's link-prediction metrics."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.metrics import LinkPredMRR, LinkPredNDCG, LinkPredPrecision, LinkPredRecall

from colisten.evaluation.metrics import (
    accuracy_metrics,
    hit_rate,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
    value_metrics,
)

ITEMS = 12
users_strategy = st.lists(
    st.tuples(st.permutations(range(ITEMS)), st.sets(st.integers(0, ITEMS - 1), min_size=1), st.integers(0, ITEMS)),
    min_size=1,
    max_size=6,
)


def table(users: list[Any]) -> pl.DataFrame:
    rows = [
        {"user_id": f"u{i:02}", "rank": order.index(item) + 1 if order.index(item) < depth else None}
        for i, (order, hidden, depth) in enumerate(users)
        for item in sorted(hidden)
    ]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "rank": pl.Int64})


def by_hand(ranks: list[int | None], k: int) -> dict[str, float]:
    found = [rank for rank in ranks if rank is not None and rank <= k]
    best = min((rank for rank in ranks if rank is not None and rank <= 100), default=None)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(len(ranks), k) + 1))
    return {
        f"hr@{k}": float(bool(found)),
        f"ndcg@{k}": sum(1 / math.log2(rank + 1) for rank in found) / ideal,
        f"recall@{k}": len(found) / len(ranks),
        f"precision@{k}": len(found) / k,
        "mrr@100": 0.0 if best is None else 1 / best,
    }


@settings(max_examples=60)
@given(users=users_strategy, k=st.integers(1, ITEMS))
def test_metrics_equal_those_counted_by_hand(users: list[Any], k: int) -> None:
    ranks = table(users)
    found = ranks.group_by("user_id").agg(accuracy_metrics(k)).sort("user_id")
    for (_, rows), figures in zip(groupby(ranks.rows(), lambda row: row[0]), found.to_dicts(), strict=True):
        expected = by_hand([rank for _, rank in rows], k)
        assert {name: figures[name] for name in expected} == pytest.approx(expected)


@settings(max_examples=40)
@given(users=users_strategy, k=st.integers(1, ITEMS))
def test_metrics_equal_those_of_pyg(users: list[Any], k: int) -> None:
    whole = [(order, hidden, ITEMS) for order, hidden, _ in users]
    ours = table(whole).group_by("user_id").agg(recall(k), precision(k), ndcg(k), reciprocal_rank(k)).mean()
    predicted = torch.tensor([order[:k] for order, _, _ in whole])
    truth = torch.tensor([[i, item] for i, (_, hidden, _) in enumerate(whole) for item in hidden]).T
    for metric, name in (
        (LinkPredRecall(k), f"recall@{k}"),
        (LinkPredPrecision(k), f"precision@{k}"),
        (LinkPredNDCG(k), f"ndcg@{k}"),
        (LinkPredMRR(k), f"mrr@{k}"),
    ):
        metric.update(predicted, truth)
        assert ours[name][0] == pytest.approx(float(metric.compute()), abs=1e-5), name


@settings(max_examples=30)
@given(users=users_strategy, k=st.integers(1, ITEMS - 1))
def test_metrics_stay_in_bounds_and_grow_with_k(users: list[Any], k: int) -> None:
    ranks = table(users)
    found = ranks.group_by("user_id").agg(
        hit_rate(k), hit_rate(k + 1).alias("hr+"), recall(k), recall(k + 1).alias("recall+"), ndcg(k)
    )
    values = found.drop("user_id").to_numpy()
    assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    assert (found[f"hr@{k}"] <= found["hr+"]).all()
    assert (found[f"recall@{k}"] <= found["recall+"]).all()


def test_a_perfect_list_scores_one_and_a_missing_one_zero() -> None:
    perfect = pl.DataFrame({"user_id": ["a"] * 3, "rank": [1, 2, 3]})
    missing = pl.DataFrame({"user_id": ["a"] * 3, "rank": pl.Series([None] * 3, dtype=pl.Int64)})
    names = ["hr@3", "ndcg@3", "recall@3", "precision@3", "mrr@100"]
    assert perfect.group_by("user_id").agg(accuracy_metrics(3)).select(names).row(0) == pytest.approx((1,) * 5)
    assert missing.group_by("user_id").agg(accuracy_metrics(3)).select(names).row(0) == (0,) * 5
    assert np.isfinite(missing.group_by("user_id").agg(accuracy_metrics(3)).select(names).to_numpy()).all()


@settings(max_examples=60)
@given(users=users_strategy, k=st.integers(1, ITEMS), seed=st.integers(0, 9))
def test_value_metrics_equal_those_counted_by_hand(users: list[Any], k: int, seed: int) -> None:
    ranks = table(users)
    values = np.random.default_rng(seed).exponential(100, len(ranks)).round(1)
    pairs = ranks.with_columns(value=pl.Series(values))
    found = pairs.group_by("user_id").agg(value_metrics(k)).sort("user_id")
    for (_, grouped), figures in zip(groupby(pairs.rows(), lambda row: row[0]), found.to_dicts(), strict=True):
        rows = [(rank, value) for _, rank, value in grouped]
        got = [(rank, value) for rank, value in rows if rank is not None and rank <= k]
        best = sorted((value for _, value in rows), reverse=True)[:k]
        ideal = sum(value / math.log2(place + 2) for place, value in enumerate(best))
        assert figures[f"value recall@{k}"] == pytest.approx(sum(value for _, value in got) / sum(v for _, v in rows))
        assert figures[f"value ndcg@{k}"] == pytest.approx(sum(v / math.log2(r + 1) for r, v in got) / ideal)


def test_equal_values_are_no_values() -> None:
    pairs = pl.DataFrame({"user_id": ["a"] * 3, "rank": [1, 4, None], "value": [7.0] * 3})
    found = pairs.group_by("user_id").agg([*value_metrics(5), recall(5), ndcg(5)]).row(0, named=True)
    assert found["value recall@5"] == pytest.approx(found["recall@5"])
    assert found["value ndcg@5"] == pytest.approx(found["ndcg@5"])
