"""A/B tests of the synthetic world: false alarms are as many as they should be, intervals hold the true lift."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.evaluation.experiment.analysis import GroupRate, compare_groups
from colisten.serving.experiment.groups import Experiment
from tests.evaluation.experiment.simulated import SimulatedWorld, assigned, outcomes, true_lift

HALVES = Experiment("e", "e", {"control": 0.5, "fresh": 0.5})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedWorld:
    return SimulatedWorld.make(tmp_path_factory.mktemp("world") / "w", 400, 200)


def lifts(world: SimulatedWorld, policies: tuple[str, str], experiments: int) -> list[GroupRate]:
    """The lift that each of so many experiments finds, every one with users assigned anew."""
    rng = np.random.default_rng(11)
    found = []
    for place in range(experiments):
        drawn = outcomes(world, assigned(world, f"salt-{place}"), policies, rng)
        rates = compare_groups(HALVES, drawn, draws=1000, seed=place)
        found.append(next(one for one in rates if (one.group, one.rate) == ("fresh", "stream_rate")))
    return found


def holds(one: GroupRate, lift: float) -> bool:
    assert one.difference_low is not None
    assert one.difference_high is not None
    return one.difference_low <= lift <= one.difference_high


def test_a_thousand_tests_of_nothing_alarm_as_often_as_they_should(world: SimulatedWorld) -> None:
    alarms = [not holds(one, 0) for one in lifts(world, ("popular", "popular"), 1000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.015)


def test_intervals_hold_the_true_lift(world: SimulatedWorld) -> None:
    lift = true_lift(world, ("popular", "personal"))
    assert abs(lift) > 0.05
    assert np.mean([holds(one, lift) for one in lifts(world, ("popular", "personal"), 1000)]) >= 0.93
