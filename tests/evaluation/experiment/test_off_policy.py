"""Off-policy estimates: by an independent reading of the formulas, and against the truth of a small world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from colisten.errors import DataError
from colisten.evaluation.experiment.logged_slots import exploring, logged_slots, policy_table
from colisten.evaluation.experiment.off_policy import FOLDS, LoggedSlots, estimate_policy, ratio_interval
from colisten.serving.experiment.arms import Arm
from colisten.serving.experiment.groups import Experiment
from tests.evaluation.experiment.simulated import SimulatedWorld, logged_answers

DAY = 86_400
AT = 1_700_000_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedWorld:
    return SimulatedWorld.make(tmp_path_factory.mktemp("world") / "w", 300, 40)


def random_slots(seed: int) -> LoggedSlots:
    """Answers of different lengths, some slots in which the policy puts nothing, rewards of any size."""
    rng = np.random.default_rng(seed)
    users = np.concatenate([np.arange(17), rng.integers(0, 17, 40)])
    lengths = rng.integers(1, 5, len(users))
    answers = np.repeat(np.arange(len(users)), lengths)
    ranks = np.concatenate([np.arange(1, length + 1) for length in lengths])
    size = len(answers)
    return LoggedSlots(
        users, answers, ranks, rng.integers(0, 6, size), rng.integers(-1, 6, size),
        rng.uniform(0.05, 1, size), rng.exponential(size=size) * (rng.random(size) < 0.4),
    )  # fmt: skip


def by_loops(slots: LoggedSlots) -> dict[str, tuple[float, float, float]]:
    """Every estimate with its interval, slot by slot."""
    count = len(slots.users)
    rows = [
        (int(slots.users[a]), int(r), int(s), int(p), float(e), float(y))
        for a, r, s, p, e, y in zip(slots.answers, slots.ranks, slots.shown, slots.put, slots.propensities,
                                    slots.rewards, strict=True)
    ]  # fmt: skip

    def model(user: int, item: int, rank: int) -> float:
        others = [row for row in rows if row[0] % FOLDS != user % FOLDS]

        def of_rank(wanted: int) -> float:
            of = [row[5] for row in others if row[1] == wanted]
            return sum(of) / len(of) if of else 0.0

        of_item = [row for row in others if row[2] == item]
        return of_rank(rank) * (sum(r[5] for r in of_item) + 1) / (sum(of_rank(r[1]) for r in of_item) + 1)

    per_answer = sum(row[3] >= 0 for row in rows) / count
    users = sorted({row[0] for row in rows})
    sums: dict[str, list[tuple[float, float]]] = {"logged": [], "ips": [], "snips": [], "dr": []}
    for user in users:
        own = [row for row in rows if row[0] == user]
        answers = float(np.sum(slots.users == user))
        weights = [1 / row[4] if row[2] == row[3] else 0.0 for row in own]
        gained = sum(w * row[5] for w, row in zip(weights, own, strict=True))
        modelled = sum(
            (model(user, row[3], row[1]) if row[3] >= 0 else 0) + w * (row[5] - model(user, row[2], row[1]))
            for w, row in zip(weights, own, strict=True)
        )
        sums["logged"].append((sum(row[5] for row in own), answers))
        sums["ips"].append((gained, answers))
        sums["snips"].append((gained * per_answer, sum(weights)))
        sums["dr"].append((modelled, answers))
    found = {}
    for name, pairs in sums.items():
        value = sum(a for a, _ in pairs) / sum(b for _, b in pairs)
        square = sum((a - value * b) ** 2 for a, b in pairs) * len(users) / (len(users) - 1)
        reach = float(stats.t(len(users) - 1).isf(0.025)) * square**0.5 / sum(b for _, b in pairs)
        found[name] = (value, value - reach, value + reach)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_estimates_are_those_of_the_formulas(seed: int) -> None:
    slots = random_slots(seed)
    expected = by_loops(slots)
    for found in estimate_policy(slots):
        assert (found.value, found.low, found.high) == pytest.approx(expected[found.estimator]), found.estimator
        assert (found.users, found.answers) == (17, 57)
        weights = [1 / p for a, b, p in zip(slots.shown, slots.put, slots.propensities, strict=True) if a == b]
        assert found.effective == pytest.approx(sum(weights) ** 2 / sum(w**2 for w in weights))


def test_they_are_unbiased_and_intervals_hold_the_truth(world: SimulatedWorld) -> None:
    """500 logs of the same users' answers: the mean of IPS and DR is the truth, 95 % of intervals hold it."""
    rng, epsilon = np.random.default_rng(3), 0.5
    found: dict[str, list[tuple[float, bool]]] = {"ips": [], "snips": [], "dr": []}
    errors: dict[str, list[float]] = {name: [] for name in found}
    truth = float(logged_answers(world, np.arange(300), rng)[1].mean())
    for _ in range(500):
        users = np.repeat(rng.choice(300, 250), 6)
        slots, _ = logged_answers(world, users, rng, epsilon=epsilon)
        for one in estimate_policy(slots):
            if one.estimator != "logged":
                found[one.estimator].append((one.value, one.low <= truth <= one.high))
                errors[one.estimator].append(one.high - one.low)
    for name, values in found.items():
        means, held = (np.array(column, float) for column in zip(*values, strict=True))
        bias = means.mean() - truth
        assert abs(bias) < 4 * means.std() / len(means) ** 0.5 + (0.01 * truth if name == "snips" else 0), name
        assert held.mean() >= 0.93, name
    assert np.mean(errors["dr"]) < np.mean(errors["ips"])


def test_what_the_log_could_not_show_is_told(world: SimulatedWorld) -> None:
    rng = np.random.default_rng(0)
    whole, _ = logged_answers(world, np.repeat(np.arange(300), 60), rng)
    assert estimate_policy(whole)[1].support == pytest.approx(1, abs=0.1)
    none, _ = logged_answers(world, np.repeat(np.arange(300), 60), rng, pool=4, epsilon=0)
    elsewhere = LoggedSlots(**{**vars(none), "put": np.where(none.ranks == 1, none.shown, none.shown + 1000)})
    assert estimate_policy(elsewhere)[1].support == pytest.approx(0.25)


def test_one_user_says_nothing_of_others() -> None:
    assert ratio_interval(np.array([2.0]), np.array([4.0])) == (0.5, -np.inf, np.inf)


def exposures() -> pl.DataFrame:
    rows = [
        ("u", "explorer", "a", 1, AT, "r1", 0.5), ("u", "explorer", "b", 2, AT, "r1", 0.2),
        ("u", "explorer", "c", 1, AT + 5 * DAY, "r2", 0.1), ("v", "explorer", "a", 1, AT, "r1", 0.9),
        ("w", "control", "a", 1, AT, "r1", 1.0), ("x", "explorer", "a", 1, AT, "r1", 0.9),
    ]  # fmt: skip
    return pl.DataFrame(
        rows, ["user_id", "group", "item_id", "rank", "at", "request_id", "propensity"], orient="row"
    ).with_columns(pl.col("rank").cast(pl.Int32))


def test_slots_are_rewarded_by_what_came_soon_after() -> None:
    policy = pl.DataFrame(
        {"user_id": ["v", "u", "u", "y"], "item_id": ["b", "a", "z", "a"], "rank": [1, 1, 2, 1]},
        {"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32},
    )
    streams = pl.LazyFrame(
        [("u", "a", AT), ("u", "b", AT + 1), ("u", "b", AT + 2), ("u", "c", AT), ("v", "a", AT + DAY + 1)],
        ["user_id", "item_id", "time"], orient="row",
    )  # fmt: skip
    shown = exploring(exposures().lazy(), Experiment("e", "e", {"control": 0.5, "explorer": 0.5},
                                                     {"explorer": Arm(epsilon=0.1)}), None)  # fmt: skip
    slots = logged_slots(shown, policy, streams, days=1)
    names = ["a", "b", "c", "z"]
    assert slots.users.tolist() == [0, 0, 1]
    assert slots.answers.tolist() == [0, 0, 1, 2]
    assert [names[item] for item in slots.shown] == ["a", "b", "c", "a"]
    assert [names[item] for item in slots.put] == ["a", "z", "a", "b"]
    assert slots.propensities.tolist() == [0.5, 0.2, 0.1, 0.9]
    assert slots.rewards.tolist() == [0, 1, 0, 0]
    assert logged_slots(shown, policy, streams, days=2).rewards.tolist() == [0, 1, 0, 1]
    each = policy.with_columns(request_id=pl.lit("r2"))
    assert logged_slots(shown, each.with_columns(item_id=pl.lit("c")), streams, days=1).answers.tolist() == [0]
    with pytest.raises(DataError, match="No slot that was logged"):
        logged_slots(shown, policy.with_columns(item_id=pl.lit("nothing")), streams, days=1)
    with pytest.raises(DataError, match="a group that explores"):
        exploring(exposures().lazy(), Experiment("e", "e", {"control": 0.5, "explorer": 0.5}), None)


def test_a_policy_is_read_from_both_kinds_of_files(tmp_path: Path) -> None:
    folder = tmp_path
    table = pl.DataFrame({"user_id": ["1", "1"], "item_id": ["a", "b"], "rank": [1, 2], "score": [2.0, 1.0]})
    table.write_parquet(folder / "recs.parquet")
    table.write_csv(folder / "recs.csv")
    assert policy_table(folder / "recs.csv").equals(policy_table(folder / "recs.parquet"))
    table.with_columns(rank=1).write_csv(folder / "twice.csv")
    with pytest.raises(DataError, match="two items for one rank"):
        policy_table(folder / "twice.csv")
    table.drop("rank").write_csv(folder / "less.csv")
    with pytest.raises(DataError, match=r"less\.csv is no table of user_id, item_id, rank"):
        policy_table(folder / "less.csv")
