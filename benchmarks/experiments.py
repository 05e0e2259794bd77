"""Experiments held against the synthetic world's truth: `python benchmarks/experiments.py [EXPERIMENTS [USERS]]`.

So many A/A and A/B tests, each with users assigned anew, from exposures and streams to intervals as `experiment read`
finds them: the share of false alarms, and of intervals that hold the true lift. Then as many logs of answers that
explore, and the share of the intervals of `experiment estimate` that hold the true value of another policy, with the
bias of each estimator in standard errors of the mean.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.small_world import print_table
from colisten.arrays import Bools, Int64s
from colisten.evaluation.experiment.analysis import analyse_experiment
from colisten.evaluation.experiment.off_policy import estimate_policy
from colisten.serving.experiment.groups import Experiment
from tests.evaluation.experiment.simulated import SimulatedWorld, assigned, logged_answers, true_lift

HALVES = Experiment("e", "e", {"control": 0.5, "fresh": 0.5})
SLOTS, SHOWN_AT = 10, 1_700_000_000
DRAWS = 2000


def read_as_logged(
    world: SimulatedWorld, fresh: Bools, policies: tuple[str, str], rng: np.random.Generator
) -> tuple[float, float]:
    """The interval of the lift, from tables of exposures and streams."""
    shown = np.where(fresh[:, None], world.shown(policies[1], SLOTS), world.shown(policies[0], SLOTS))
    users = pl.Series("user_id", world.user_ids)
    owner, rank = np.divmod(np.arange(shown.size), SLOTS)
    exposures = pl.DataFrame(
        {
            "user_id": users.gather(owner),
            "group": pl.Series(np.where(fresh, "fresh", "control")).gather(owner),
            "item_id": _ids(shown.ravel()),
            "rank": rank + 1,
        }
    ).with_columns(item_type=pl.lit("audiobook"), at=pl.lit(SHOWN_AT))
    streamed = rng.random(shown.size) < world.rewards(shown).ravel()
    streams = exposures.filter(pl.Series(streamed)).select("user_id", "item_id", "item_type", time=pl.col("at") + 1)
    found = analyse_experiment(HALVES, exposures.lazy(), streams.lazy(), draws=DRAWS)
    (lift,) = (one for one in found if (one.group, one.rate) == ("fresh", "stream_rate"))
    assert lift.difference_low is not None
    assert lift.difference_high is not None
    return lift.difference_low, lift.difference_high


def _ids(items: Int64s) -> pl.Series:
    return pl.Series("item_id", items).cast(pl.String)


def lifts(world: SimulatedWorld, experiments: int) -> None:
    rows: list[dict[str, object]] = []
    for policies in (("popular", "popular"), ("popular", "personal")):
        rng, lift = np.random.default_rng(3), true_lift(world, policies)
        ends = np.array([read_as_logged(world, assigned(world, f"s{n}"), policies, rng) for n in range(experiments)])
        held = np.mean((ends[:, 0] <= lift) & (lift <= ends[:, 1]))
        alarms = np.mean((ends[:, 0] > 0) | (ends[:, 1] < 0))
        found: dict[str, object] = {"policies": " / ".join(policies), "true lift": round(lift, 4)}
        rows.append(found | {"intervals that hold it, %": _percent(held), "alarms, %": _percent(alarms)})
    print_table(rows)


def _percent(share: float | np.floating[Any]) -> float:
    return round(100 * float(share), 1)


def values(world: SimulatedWorld, logs: int) -> None:
    rows: list[dict[str, object]] = []
    for epsilon, answers in ((0.1, 40), (0.3, 10), (0.3, 40), (0.5, 10)):
        rng, everybody = np.random.default_rng(3), np.arange(len(world.user_ids))
        truth = float(logged_answers(world, everybody, rng)[1].mean())
        found = defaultdict(list)
        for _ in range(logs):
            users = np.repeat(rng.choice(everybody, len(everybody)), answers)
            for one in estimate_policy(logged_answers(world, users, rng, epsilon=epsilon)[0]):
                found[one.estimator].append((one.value, one.low <= truth <= one.high, one.effective))
        for name in ("ips", "snips", "dr"):
            value, held, effective = np.array(found[name], np.float64).T
            bias = (value.mean() - truth) / (value.std() / len(value) ** 0.5)
            rows.append(
                {
                    "epsilon": epsilon,
                    "estimator": name,
                    "truth": round(truth, 3),
                    "mean": round(float(value.mean()), 3),
                    "spread": round(float(value.std()), 3),
                    "bias / its error": round(float(bias), 1),
                    "intervals that hold it, %": _percent(held.mean()),
                    "effective slots": round(effective.mean()),
                }
            )
    print_table(rows)


if __name__ == "__main__":
    count, people = (int(word) for word in [*sys.argv[1:], *("1000", "400")[len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as scratch:
        made = SimulatedWorld.make(Path(scratch) / "world", people, 200)
    lifts(made, count)
    values(made, count)
