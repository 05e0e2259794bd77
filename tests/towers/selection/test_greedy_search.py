"""What is tried, what is kept, and when it stops."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from colisten.arrays import Floats
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.ranking_task import expected_gain


@dataclass(frozen=True)
class TrainingOptions:
    names: tuple[str, ...]
    ndcg: Floats


def changed(name: str, gain: float, best: TrainingOptions) -> TrainingOptions:
    noise = np.random.default_rng(len(name)).normal(0, 0.1, len(best.ndcg))
    return TrainingOptions((*best.names, name), (best.ndcg + gain + noise - noise.mean()).astype(np.float32))


START = TrainingOptions((), np.full(400, 0.5, np.float32))
CHANGES = [
    (name, partial(changed, name, gain))
    for name, gain in [("worse", -0.1), ("nothing", 0.0004), ("good", 0.05), ("better", 0.1)]
]


def test_what_is_clearly_better_is_kept_and_built_on() -> None:
    search = GreedySearch(60)
    assert search.best(START, 0.0, CHANGES).names == ("good", "better")
    assert search.kept == ["good", "better"]
    assert {name: round(gain, 3) for name, gain in search.tried.items()} == {
        "worse": -0.1, "nothing": 0.0, "good": 0.05, "better": 0.1,
    }  # fmt: skip
    assert "kept: good, better" in list(search.summary())[1]


def test_the_noisier_a_gain_the_less_of_it_is_expected() -> None:
    rng = np.random.default_rng(0)
    before = rng.random(4000).astype(np.float32)
    gains = [
        expected_gain((before + 0.01 + rng.permutation(np.linspace(-noise, noise, 4000))).astype(np.float32), before)
        for noise in (0.0, 0.5, 2.0, 20.0)
    ]
    assert gains[0] == pytest.approx(0.01, rel=1e-2)
    assert gains == sorted(gains, reverse=True)
    assert gains[3] < 0.001


def test_without_time_nothing_is_tried() -> None:
    search = GreedySearch(0)
    assert search.best(START, 0.1, CHANGES) is START
    assert (search.tried, search.left) == ({}, 4)
    assert not list(search.summary()), "as was wished"


def test_a_change_that_would_take_too_long_is_not_begun() -> None:
    def slow(best: TrainingOptions) -> TrainingOptions:
        time.sleep(0.3)
        return changed("slow", 0.1, best)

    search = GreedySearch(0.5)
    found = search.best(START, 0.1, [("slow", slow), ("slow again", slow)])
    assert (found.names, search.left) == (("slow",), 1), "0.3 s are spent, and the next would take as long"
    assert search.best(found, 1.0, CHANGES) is found
    assert search.left == 5
    assert "no time for 5 more" in next(search.summary())
