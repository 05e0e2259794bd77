"""Each baseline against an independent computation, and what all of them promise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from scipy.optimize import nnls
from sklearn.linear_model import ElasticNet

from colisten.arrays import Floats, Floats64, Int64s
from colisten.errors import DataError
from colisten.evaluation.baselines import baseline as baseline_module
from colisten.evaluation.baselines import slim as slim_module
from colisten.evaluation.baselines.als import ALS
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.ease import EASE, DualRidge, PrimalRidge, ease_weights
from colisten.evaluation.baselines.item_knn import ItemKNN, neighbours
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.slim import SLIM, slim_weights
from colisten.evaluation.baselines.text_knn import TextKNN
from colisten.evaluation.baselines.top_k import strongest, top_k
from colisten.listening.data import ListeningData

from . import worlds

COLLABORATIVE: list[Callable[[], Baseline]] = [Popularity, ItemKNN, EASE, SLIM, lambda: ALS(factors=4)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ListeningData:
    folder = tmp_path_factory.mktemp("baselines")
    split = worlds.random_split(folder / "split", users=80, items=30)
    return worlds.import_split(split, folder / "listening", "target=book")


@pytest.fixture(scope="module")
def streamed(data: ListeningData) -> Floats:
    pairs = pl.read_parquet(data.interactions)
    found = np.zeros((len(data.users), len(data.items)), dtype=np.float32)
    found[pairs["user"].to_numpy(), pairs["item"].to_numpy()] = 1
    return found


def random_matrix(seed: int, shape: tuple[int, int] = (60, 25), density: float = 0.3) -> Floats:
    return (np.random.default_rng(seed).random(shape) < density).astype(np.float32)


def all_pairs(data: ListeningData) -> tuple[Int64s, Int64s]:
    return np.arange(len(data.users)), np.arange(len(data.items))


@pytest.mark.parametrize("make", COLLABORATIVE)
def test_lists_hold_new_items_of_the_type_best_first(make: Callable[[], Baseline], data: ListeningData) -> None:
    users = [*data.users["user_id"], "unknown", "u'); DROP"]
    found = make().fit(data).recommend(users, 5, "book")
    assert found.columns == ["user_id", "item_id", "item_type", "score", "rank"]
    books = data.items.filter(pl.col("item_type") == "book")["item_id"]
    assert found["item_id"].is_in(books.implode()).all()
    pairs = pl.read_parquet(data.interactions).join(data.users.select("user", "user_id"), on="user")
    pairs = pairs.join(data.items.select("item", "item_id"), on="item")
    assert found.join(pairs, on=["user_id", "item_id"], how="semi").is_empty()
    assert found["user_id"].unique(maintain_order=True).to_list() == users
    for rows in found.partition_by("user_id"):
        assert rows["rank"].to_list() == list(range(1, len(rows) + 1))
        assert rows["score"].is_sorted(descending=True)
        assert rows["item_id"].n_unique() == len(rows)


def test_blocks_of_users_change_nothing(data: ListeningData, monkeypatch: pytest.MonkeyPatch) -> None:
    users = data.users["user_id"].to_list()
    whole = EASE().fit(data).recommend(users, 5, "book")
    monkeypatch.setattr(baseline_module, "_BYTES", 4 * 10 * 7)
    assert EASE().fit(data).recommend(users, 5, "book").equals(whole)


def test_more_than_there_are_gives_all_that_there_are(data: ListeningData, streamed: Floats) -> None:
    books = data.items["item_type"].to_numpy() == "book"
    found = Popularity().fit(data).recommend(data.users["user_id"].to_list(), 1000, "book")
    assert len(found) == (streamed[:, books] == 0).sum()


def test_no_users_no_rows_and_no_such_type(data: ListeningData) -> None:
    model = Popularity().fit(data)
    assert model.recommend([], 5, "book").is_empty()
    with pytest.raises(DataError, match="no item type 'film'"):
        model.recommend(["u001"], 5, "film")


def test_popularity_counts_listeners_of_all_time_or_of_late(data: ListeningData, streamed: Floats) -> None:
    users, items = all_pairs(data)
    assert (Popularity().fit(data).scores(users, items) == streamed.sum(axis=0)).all()
    pairs = pl.read_parquet(data.interactions)
    late = pairs.filter(pl.col("timestamp") >= pairs["timestamp"].to_numpy().max() - 2 * 86_400)
    counts = np.bincount(late["item"].to_numpy(), minlength=len(items))
    recent = Popularity(days=2).fit(data).scores(users[:1], items)[0]
    assert (recent == counts).all()
    assert (recent < streamed.sum(axis=0)).any()


@pytest.mark.parametrize(("k", "shrink", "idf"), [(3, 0.0, False), (5, 10.0, True)])
def test_item_knn(k: int, shrink: float, idf: bool, data: ListeningData, streamed: Floats) -> None:
    weight = 1 / np.log(2 + streamed.sum(axis=1, keepdims=True)) if idf else 1
    weighted = streamed * weight
    length = np.linalg.norm(weighted, axis=0)
    cosine = weighted.T @ weighted / (length[:, None] * length + shrink + 1e-12)
    np.fill_diagonal(cosine, 0)
    for column in cosine.T:
        column[np.argsort(-column, kind="stable")[k:]] = 0
    found = ItemKNN(k=k, shrink=shrink, idf=idf).fit(data).scores(*all_pairs(data))
    assert found == pytest.approx(streamed @ cosine, abs=1e-5)


def test_ease_is_the_ridge_regression_of_each_item_on_all_others() -> None:
    matrix = random_matrix(1)
    weights = ease_weights(sparse.csr_matrix(matrix), 5.0)
    for j in range(matrix.shape[1]):
        others = np.delete(np.arange(matrix.shape[1]), j)
        gram = matrix[:, others].T @ matrix[:, others] + 5.0 * np.eye(len(others))
        expected = np.linalg.solve(gram, matrix[:, others].T @ matrix[:, j])
        assert weights[others, j] == pytest.approx(expected, abs=1e-4)
        assert weights[j, j] == 0


def non_negative_ridge(matrix: Floats, target: Floats, penalty: float) -> Floats64:
    """argmin over w ≥ 0 of ‖target − matrix w‖² + penalty ‖w‖², by an active-set solver."""
    stacked = np.concatenate([matrix.astype(np.float64), penalty**0.5 * np.eye(matrix.shape[1])])
    weights: Floats64 = nnls(stacked, np.concatenate([target, np.zeros(matrix.shape[1])]))[0]
    return weights


@pytest.mark.parametrize("whole", [0, 12_000])
def test_slim_with_every_candidate_is_the_non_negative_ridge_on_all_others(
    whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slim_module, "_WHOLE", whole)
    matrix = random_matrix(2, (200, 70), 0.4)
    weights = slim_weights(sparse.csr_matrix(matrix), 70, penalty=5.0, sparsity=0.0).toarray()
    for j in range(70):
        others = np.delete(np.arange(70), j)
        expected = non_negative_ridge(matrix[:, others], matrix[:, j], 5.0)
        assert weights[others, j] == pytest.approx(expected, abs=1e-3)
        assert weights[j, j] == 0


@pytest.mark.parametrize(("users", "items"), [(30, 70), (70, 30)])
def test_ease_is_exact_from_the_users_side_and_from_the_items(
    users: int, items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colisten.evaluation.baselines.ease._COLUMNS", 16)
    rng = np.random.default_rng(0)
    matrix = (rng.random((users, items)) < 0.05).astype(np.float32)
    inverse = np.linalg.inv(matrix.T.astype(np.float64) @ matrix + 20 * np.eye(items))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    some, columns = np.arange(0, users, 3), np.arange(1, items, 2)
    for side in (PrimalRidge, DualRidge):
        found = side(sparse.csr_matrix(matrix), 20.0).scores(some, columns)
        assert found == pytest.approx((matrix @ weights)[np.ix_(some, columns)], abs=2e-4), side


def test_ease_of_a_large_catalogue_weighs_the_most_popular_items(data: ListeningData, streamed: Floats) -> None:
    kept = np.sort(np.argsort(-streamed.sum(axis=0), kind="stable")[:9])
    found = EASE(penalty=5.0, rows=9).fit(data).scores(*all_pairs(data))
    assert found[:, kept] == pytest.approx(
        streamed[:, kept] @ ease_weights(sparse.csr_matrix(streamed[:, kept]), 5.0), abs=1e-4
    )
    assert not np.delete(found, kept, axis=1).any()


def test_slim_regresses_on_the_candidates_only() -> None:
    matrix = random_matrix(3)
    weights = slim_weights(sparse.csr_matrix(matrix), 4, penalty=5.0, sparsity=0.0)
    nearest = neighbours(sparse.csr_matrix(matrix), 4, 0.0)
    for j in range(matrix.shape[1]):
        mine = nearest[:, j].nonzero()[0]
        expected = non_negative_ridge(matrix[:, mine], matrix[:, j], 5.0)
        assert weights[mine, j].toarray().ravel() == pytest.approx(expected, abs=1e-3)
        assert set(weights[:, j].nonzero()[0]) <= set(mine)


@pytest.mark.parametrize(("penalty", "sparsity"), [(5.0, 0.5), (2.0, 1.5)])
def test_slim_minimises_what_elastic_net_minimises(penalty: float, sparsity: float) -> None:
    matrix = random_matrix(4)
    users, items = matrix.shape
    weights = slim_weights(sparse.csr_matrix(matrix), items, penalty, sparsity).toarray()
    for j in range(items):
        others = np.delete(np.arange(items), j)
        alpha = (penalty + sparsity) / users
        net = ElasticNet(
            alpha=alpha, l1_ratio=sparsity / (penalty + sparsity), positive=True, fit_intercept=False, tol=1e-7,
            max_iter=10_000,
        )  # fmt: skip
        expected = net.fit(matrix[:, others].astype(float), matrix[:, j].astype(float)).coef_
        assert weights[others, j] == pytest.approx(expected, abs=1e-3)


def test_slim_weights_are_never_negative(data: ListeningData) -> None:
    assert (SLIM().fit(data).scores(*all_pairs(data)) >= 0).all()


@pytest.mark.parametrize("k", [0, 3])
def test_text_knn(k: int, data: ListeningData, streamed: Floats) -> None:
    text = np.random.default_rng(5).normal(size=(len(data.items), 6)).astype(np.float32)
    unit = text / np.linalg.norm(text, axis=1, keepdims=True)
    alike = unit @ unit.T
    if k:
        np.fill_diagonal(alike, 0)
        alike = np.maximum(alike, 0)
        for column in alike.T:
            column[np.argsort(-column, kind="stable")[k:]] = 0
    found = TextKNN(text, k=k).fit(data).scores(*all_pairs(data))
    assert found == pytest.approx(streamed @ alike, abs=1e-4)


def test_als_is_reproducible_and_separates_streamed_items_from_others(data: ListeningData, streamed: Floats) -> None:
    first, again = (ALS(factors=8, seed=3).fit(data).scores(*all_pairs(data)) for _ in range(2))
    assert first == pytest.approx(again, abs=1e-3)
    assert first[streamed == 1].mean() > first[streamed == 0].mean() + 0.2


def test_weak_signals_count_only_where_wanted(tmp_path: Path) -> None:
    split = worlds.random_split(tmp_path / "split")
    file = split / "train" / "interactions.parquet"
    pairs = pl.read_parquet(file)
    some = pl.int_range(pl.len()) % 4 == 0
    pairs.with_columns(signal=pl.when(some).then(pl.lit("follow")).otherwise("signal")).write_parquet(file)
    data = worlds.import_split(split, tmp_path / "listening", "target=book", "signals.weak=follow")
    items = all_pairs(data)[1]
    strong = Popularity().fit(data)
    assert strong.interactions.streams.nnz == len(pairs) - len(pairs.filter(some))
    assert strong.interactions.weak.nnz == len(pairs.filter(some))
    assert not np.allclose(EASE(weak=1.0).fit(data).scores(*all_pairs(data)), EASE().fit(data).scores(*all_pairs(data)))
    assert strong.scores(np.array([0]), items).sum() == strong.interactions.streams.nnz


def test_retired_items_are_not_recommended(data: ListeningData, tmp_path: Path) -> None:
    for name in ("interactions.parquet", "users.parquet", "summary.json"):
        (tmp_path / name).write_bytes((data.root / name).read_bytes())
    popular = Popularity().fit(data).recommend(["unknown"], 1, "book")["item_id"][0]
    data.items.with_columns(retired=pl.col("item_id") == popular).write_parquet(tmp_path / "items.parquet")
    found = Popularity().fit(ListeningData(tmp_path)).recommend(["unknown"], 1000, "book")["item_id"]
    assert popular not in found.to_list()
    assert len(found) == data.items.filter(pl.col("item_type") == "book").height - 1


def test_ties_go_to_the_earlier_column_and_to_the_more_popular_item(data: ListeningData) -> None:
    rows, columns = top_k(np.zeros((2, 5), dtype=np.float32), 3)
    assert columns.tolist() == [0, 1, 2] * 2
    assert rows.tolist() == [0] * 3 + [1] * 3
    unknown = EASE().fit(data).recommend(["unknown"], 4, "book")
    assert unknown["item_id"].to_list() == Popularity().fit(data).recommend(["unknown"], 4, "book")["item_id"].to_list()


@pytest.mark.parametrize("seed", range(3))
def test_top_k_and_strongest_agree_with_sorting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, size=(9, 15)).astype(np.float32)
    _, columns = top_k(scores, 4)
    assert (columns.reshape(9, 4) == np.argsort(-scores, axis=1, kind="stable")[:, :4]).all()
    kept = strongest(sparse.csc_matrix(scores), 3).toarray()
    expected = np.zeros_like(scores)
    best = np.argsort(-scores, axis=0, kind="stable")[:3]
    np.put_along_axis(expected, best, np.take_along_axis(scores, best, 0), 0)
    assert (kept == expected).all()
