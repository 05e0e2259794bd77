"""The forecast of demand: on worlds whose demand is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from colisten.arrays import Floats, Floats64, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import listeners
from colisten.towers.demand import forecast
from colisten.towers.demand.as_of import DAY, ItemFacts
from colisten.towers.demand.forecast import FLOOR, log_demand

DAYS = 120


def waves(seed: int = 0, items: int = 400) -> tuple[UserHistories, ItemFacts, Floats64]:
    """Items come out day by day, are heard most at first, and fade; what the next ten days would bring, on average."""
    rng = np.random.default_rng(seed)
    published = rng.uniform(-60, DAYS + 5, items)
    size = rng.lognormal(0, 0.3, items)

    def rate(day: Floats64 | float) -> Floats64:
        age = np.asarray(day) - published[:, None]
        return size[:, None] * np.where(age >= 0, 2 * np.exp(-np.maximum(age, 0) / 8), 0)

    counts = rng.poisson(rate(np.arange(DAYS)[None, :].astype(np.float64)))
    item, day = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices(counts.shape))
    users = rng.permutation(len(item))
    times = ((day + rng.random(len(day))) * DAY).astype(np.int64)
    order = np.argsort(users)
    histories = UserHistories(
        np.arange(len(item) + 1), item[order].astype(np.int32), np.zeros(len(item), np.uint8), times[order], {}
    )
    facts = ItemFacts(np.zeros(items, np.uint8), published * DAY, {})
    return histories, facts, rate(np.arange(DAYS, DAYS + 10)[None, :].astype(np.float64)).sum(axis=1)


def test_it_knows_what_fades_and_what_is_new_better_than_counts_do() -> None:
    histories, facts, truth = waves()
    found, so_far = log_demand(histories, 1, facts), listeners(histories, 1, len(truth))
    assert correlation(np.exp(found), truth) > 0.9 > 0.4 > correlation(so_far, truth)
    to_come = facts.published > DAYS * DAY
    assert to_come.sum() > 5
    assert found[to_come].min() > np.quantile(found[~to_come], 0.8), "what is new is heard most in this world"


def test_the_same_data_gives_the_same_forecast() -> None:
    histories, facts, _ = waves(1, 200)
    np.testing.assert_array_equal(log_demand(histories, 1, facts), log_demand(histories, 1, facts))


def test_without_any_date_of_publication_it_knows_what_fades() -> None:
    histories, facts, truth = waves()
    undated = replace(facts, published=np.full(len(truth), np.nan))
    heard = listeners(histories, 1, len(truth)) > 0
    assert correlation(np.exp(log_demand(histories, 1, undated))[heard], truth[heard]) > 0.8


def test_fewer_rows_serve_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "_ROWS", 1500)
    histories, facts, truth = waves()
    assert correlation(np.exp(log_demand(histories, 1, facts)), truth) > 0.85


@pytest.mark.parametrize("some", ["no times", "few times", "little"])
def test_without_times_demand_is_listeners_so_far(some: str) -> None:
    histories, facts, truth = waves(2, 60 if some != "little" else 20)
    if some != "little":
        known = np.arange(len(histories.items)) < (0 if some == "no times" else 0.4 * len(histories.items))
        times = np.where(known, histories.timestamps, -1)
        histories = UserHistories(histories.indptr, histories.items, histories.signals, times, {})
    so_far = listeners(histories, 1, len(truth))
    np.testing.assert_allclose(log_demand(histories, 1, facts), np.log(so_far + FLOOR * so_far.mean()), rtol=1e-5)


def test_nothing_heard_at_all() -> None:
    nobody = UserHistories(np.array([0, 0]), np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.int64), {})
    found = log_demand(nobody, 1, ItemFacts(np.zeros(3, np.uint8), np.full(3, np.nan), {}))
    assert np.isfinite(found).all()
    assert (found == found[0]).all()


def correlation(one: Int64s | Floats | Floats64, other: Floats | Floats64) -> float:
    return float(np.corrcoef(one, other)[0, 1])
