"""Signals ruled out, and the mix of parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from colisten.arrays import Bools, Floats
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import UserItemPairs
from colisten.towers import item_matrix
from colisten.towers.features.negative_signals import negative_signals
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.linear.model import interaction_matrix
from colisten.towers.parts import COLD, WARM, LinearPart, WeakSignalsPart
from colisten.towers.selection.mixing import choose_weights
from colisten.towers.selection.ranking_task import OptionResult, RankingTask
from colisten.towers.user_vectors import Spread, UserVectors
from colisten.towers.weak_signals import conversion_rates, diagonal, weak_signal_scores


def listeners(owners: list[int], items: list[int], signals: list[int], times: list[int]) -> UserHistories:
    """Events given in the order of their owners."""
    indptr = np.searchsorted(owners, np.arange(max(owners) + 2)).astype(np.int64)
    return UserHistories(
        indptr, np.array(items, np.int32), np.array(signals, np.uint8), np.array(times, np.int64), features={}
    )


def signalled(chance_of_both: float) -> UserHistories:
    """100 users hear 5 of 20 items and give signal 1 to 5 others, or to heard ones by chance."""
    rng = np.random.default_rng(0)
    events: list[tuple[int, int, int]] = []
    for user in range(100):
        order = rng.permutation(20)
        events += [(user, int(item), 0) for item in order[:5]]
        both = rng.random(5) < chance_of_both
        events += [(user, int(a if yes else b), 1) for yes, a, b in zip(both, order[:5], order[5:10], strict=True)]
    owners, items, signals = (list(column) for column in zip(*events, strict=True))
    return listeners(owners, items, signals, [-1] * len(owners))


@pytest.mark.parametrize(("chance", "wanted"), [(0.0, (1,)), (0.3, ()), (0.9, ())])
def test_a_signal_after_which_nobody_listens_is_ruled_out(chance: float, wanted: tuple[int, ...]) -> None:
    assert negative_signals(signalled(chance), strong=1, signals=2, items=20) == wanted


def test_little_evidence_rules_nothing_out() -> None:
    few = signalled(0.0).take(np.arange(5))
    assert negative_signals(few, strong=1, signals=2, items=20) == ()


def some_matrix(rng: np.random.Generator, items: int) -> ItemMatrix:
    found = csr_array(np.where(rng.random((items, items)) < 0.3, rng.random((items, items)), 0))
    return ItemMatrix(found.indptr.astype(np.int64), found.indices.astype(np.int32), found.data.astype(np.float32))


def pairs_with(had: Bools) -> UserItemPairs:
    users, items = np.nonzero(had)
    return UserItemPairs(users, items)


def written_out(matrix: ItemMatrix) -> Floats:
    return csr_array((matrix.weights, matrix.items, matrix.indptr), shape=(len(matrix), len(matrix))).toarray()


def test_the_linear_part_sums_each_distinct_item_and_its_intercept() -> None:
    rng = np.random.default_rng(0)
    people = signalled(0.5)
    warm_matrix, cold_matrix, is_target = some_matrix(rng, 20), some_matrix(rng, 20), np.arange(20) < 4
    intercepts = rng.random((20, 2)).astype(np.float32)
    warm = people.touching(is_target)
    assert 0 < warm.sum() < len(people)
    for signals in (1, 2):
        heard = interaction_matrix(people, 20, signals).toarray()
        of_warm, of_cold = (
            heard @ written_out(matrix) + intercepts[:, column]
            for column, matrix in enumerate((warm_matrix, cold_matrix))
        )
        part = LinearPart(is_target, signals)
        matrices = {WARM: warm_matrix, COLD: cold_matrix}
        lookups = [(matrices[name], pairs) for name, pairs in part.lookups(people).items()]
        found = UserVectors(part.encode(people), item_matrix.summed_rows(len(people), lookups))
        np.testing.assert_allclose(
            found.scores(intercepts, np.arange(20)), np.where(warm[:, None], of_warm, of_cold), atol=1e-4
        )


@given(
    seed=st.integers(0, 2**16), users=st.integers(1, 9), table=st.sampled_from([0, 10**9]), at_once=st.integers(1, 99)
)
@settings(max_examples=60)
def test_rows_of_several_matrices_are_summed_in_blocks_by_table_or_by_sorting(
    seed: int, users: int, table: int, at_once: int
) -> None:
    rng = np.random.default_rng(seed)
    given_pairs, wanted = [], np.zeros((users, 15))
    for _ in range(2):
        matrix, had = some_matrix(rng, 15), rng.random((users, 15)) < rng.random()
        given_pairs.append((matrix, pairs_with(had)))
        wanted += had @ written_out(matrix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_matrix, "_TABLE", table)
        patch.setattr(item_matrix, "_ENTRIES_AT_ONCE", at_once)
        found = item_matrix.summed_rows(users, given_pairs)
    assert (np.diff(found.keys) > 0).all()
    dense = np.zeros_like(wanted)
    dense[found.owners, found.items] = found.values
    np.testing.assert_allclose(dense, wanted, rtol=1e-5)
    asked = np.array([[user << 32 | item for item in range(15)] for user in range(users)])
    np.testing.assert_allclose(found.of(asked), wanted, rtol=1e-5)
    twice = item_matrix.merged([found, item_matrix.NO_SCORES, found])
    np.testing.assert_allclose(twice.values, 2 * found.values, rtol=1e-5)


@pytest.mark.parametrize("at_once", [1, 7, 1 << 22])
@pytest.mark.parametrize("columns", [[1, 4, 5, 11], list(range(12)), []])
def test_a_transposed_matrix_says_what_adds_to_each_item(
    monkeypatch: pytest.MonkeyPatch, at_once: int, columns: list[int]
) -> None:
    monkeypatch.setattr(item_matrix, "_ENTRIES_AT_ONCE", at_once)
    matrix = some_matrix(np.random.default_rng(3), 12)
    found = matrix.transposed(np.array(columns, np.int64))
    assert len(found) == len(columns)
    for row, column in enumerate(columns):
        ((sources, weights),) = found.rows(slice(row, row + 1))
        wanted = written_out(matrix)[:, column]
        assert sources.tolist() == np.flatnonzero(wanted).tolist()
        np.testing.assert_array_equal(weights, wanted[sources])


def test_scaled_scores_have_variance_one_and_no_score_stays_none() -> None:
    rng = np.random.default_rng(0)
    item_vectors, dense = rng.normal(2, 3, (50, 6)).astype(np.float32), rng.normal(size=(6, 6)).astype(np.float32)
    among = np.arange(50) % 3 > 0
    had = rng.random((6, 50)) < 0.2
    dense[3], had[3] = 0, False
    dense[4], had[5] = 0, False
    sparse = item_matrix.summed_rows(6, [(some_matrix(rng, 50), pairs_with(had))])
    users = UserVectors(dense, sparse)
    spread = Spread.of(item_vectors, among)
    whole = users.scores(item_vectors, np.flatnonzero(among))
    np.testing.assert_allclose(spread.variance(users), whole.var(axis=1), rtol=1e-4, atol=1e-8)
    equal = users.times(spread.scale(users))
    found = equal.scores(item_vectors, np.flatnonzero(among)).std(axis=1)
    assert found == pytest.approx([1, 1, 1, 0, 1, 1], abs=1e-4)


def test_scores_that_tell_nothing_apart_gain_nothing() -> None:
    nothing = UserItemPairs(np.empty(0, np.int64), np.empty(0, np.int64))
    task = RankingTask(np.arange(300), nothing, UserItemPairs(np.array([0]), np.array([5])), np.ones(1, bool))
    assert task.ndcg(lambda _: np.zeros((1, 300), np.float32)) == 0


def test_of_equal_hits_the_wider_choice_is_taken_and_few_users_are_asked_together() -> None:
    everybody, few = np.ones((2, 2, 9), bool), np.zeros((2, 2, 9), bool)
    few[:, :, :3] = True
    ndcg = np.full(300, 0.5, np.float32)
    task = RankingTask(
        np.arange(9),
        UserItemPairs(*np.empty((2, 0), np.int64)),
        UserItemPairs(*np.empty((2, 0), np.int64)),
        np.arange(300) < 290,
    )
    assert (
        task.best(
            [OptionResult(ndcg, few), OptionResult(ndcg, everybody), OptionResult(ndcg * 0.9, everybody)], warm=True
        )
        == 1
    )
    cold_only = np.where(np.arange(300) < 290, 0.5, 1).astype(np.float32)
    warm_only = np.where(np.arange(300) < 290, 0.6, 0).astype(np.float32)
    assert task.best([OptionResult(cold_only, few), OptionResult(warm_only, few)], warm=False) == 1


def test_weights_follow_what_ranks_well_apart_for_warm_and_cold_users() -> None:
    rng = np.random.default_rng(0)
    users, items = 300, 60
    truth = UserItemPairs(np.arange(users), rng.integers(0, items, users))
    warm = np.arange(users) < 150
    noise = rng.normal(size=(users, items)).astype(np.float32)
    right = 2 * np.eye(items, dtype=np.float32)[truth.items] + rng.normal(size=(users, items)).astype(np.float32)
    task = RankingTask(np.arange(items), UserItemPairs(np.empty(0, np.int64), np.empty(0, np.int64)), truth, warm)
    scores = {"towers": np.where(warm[:, None], right, noise), "linear": np.where(warm[:, None], noise, right)}
    scores["demand"] = np.zeros((users, items), np.float32)
    for_warm, for_cold, found = choose_weights(task, {name: of.__getitem__ for name, of in scores.items()})
    assert for_warm["towers"] > for_warm["linear"]
    assert for_cold["linear"] > for_cold["towers"]
    assert found["warm"]["mix"] >= found["warm"]["towers"] > 2 * found["warm"]["linear"]


def test_a_weak_signal_counts_by_how_often_a_stream_comes_with_it() -> None:
    events = [(user, item, signal) for user in range(1000) for item, signal in ((user % 7, 1), (7 + user % 5, 2))]
    events += [(user, user % 7, 0) for user in range(0, 1000, 4)] + [(user, 7 + user % 5, 0) for user in range(500)]
    owners, items, signals = (list(column) for column in zip(*sorted(events), strict=True))
    people = listeners(owners, items, signals, [-1] * len(events))
    assert conversion_rates(people, 1, 3, ()) == {1: pytest.approx(0.5), 2: 1.0}
    assert conversion_rates(people, 1, 3, (2,)) == {1: 1.0}
    assert conversion_rates(people.keep(people.signals > 0), 1, 3, ()) == {}


def test_weak_signals_add_to_the_items_they_are_on_alone() -> None:
    people = listeners([0, 0, 0, 1, 2], [3, 3, 5, 4, 1], [1, 2, 1, 0, 2], [-1] * 5)
    rates = {1: 0.5, 2: 1.0}
    part = WeakSignalsPart({code: f"weak_{code}" for code in rates})
    lookups = [(diagonal(8, rates[int(name[-1])]), pairs) for name, pairs in part.lookups(people).items()]
    found = UserVectors(part.encode(people), item_matrix.summed_rows(3, lookups))
    wanted = np.zeros((3, 8))
    wanted[0, [3, 5]], wanted[2, 1] = [1.5, 0.5], 1.0
    np.testing.assert_allclose(found.scores(np.empty((8, 0), np.float32), np.arange(8)), wanted)
    np.testing.assert_allclose(weak_signal_scores(people, rates, np.array([5, 3]), 8), wanted[:, [5, 3]])


def test_what_is_followed_and_then_heard_is_weighed_by_validation() -> None:
    rng = np.random.default_rng(0)
    users, items = 400, 500
    share = 1 / np.arange(1, items + 1)
    truth = UserItemPairs(np.arange(users), rng.choice(items, users, p=share / share.sum()))
    nothing = UserItemPairs(np.empty(0, np.int64), np.empty(0, np.int64))
    task = RankingTask(np.arange(items), nothing, truth, np.arange(users) < 200)
    demand = np.tile(np.log(share).astype(np.float32), (users, 1))
    given = (rng.random((users, items)) < 0.004).astype(np.float32)
    given[np.arange(0, users, 2), truth.items[::2]] = 1
    useless = (rng.random((users, items)) < 0.004).astype(np.float32)
    useless[truth.users, truth.items] = 0
    weighed = []
    for scores in (given, useless):
        warm, cold, validation = choose_weights(
            task, {"demand": demand.__getitem__, "weak_signals": scores.__getitem__}
        )
        weighed.append((warm["weak_signals"], cold["weak_signals"]))
        assert warm["demand"] > 0
        assert set(validation["warm"]) == {"demand", "weak_signals", "mix"}
    assert min(weighed[0]) > 0.02 >= max(weighed[1]), "what costs no hits may widen the choice a little"
