"""The forecast: gradient-boosted trees from what was known at past moments to the streams that followed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colisten.arrays import Floats, Floats64, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import listeners
from colisten.towers.demand.as_of import DAY, AsOf, ItemFacts

MOMENTS = 10
"""Past moments that are learned from, a horizon apart at most."""
MIN_STREAMS = 500
"""With fewer streams, trees would learn noise: demand is popularity then."""
FLOOR = 0.15
"""Of a type's mean demand: added before the logarithm, below which differences between items tell nothing."""
_SHORTEST, _LONGEST = 7 * DAY, 28 * DAY
_PARTS = 12
"""The horizon as a share of the time that is known, within these bounds."""
_ROWS = 400_000
"""Rows (item and moment) that the trees are fitted to, at most."""


def log_demand(histories: UserHistories, strong: int, facts: ItemFacts) -> Floats:
    """[items] logarithm of how many people will first stream each item soon.

    Expected counts of a Poisson regression (scikit-learn's histogram gradient boosting) from `AsOf.features` at up to
    `MOMENTS` past moments to what was streamed within the horizon after each, asked as of the newest event. Where less
    than half of the listening has a time, or there is little of it: listeners so far.
    """
    streams, timed, start = 0, 0, np.inf
    for _, some in histories.shards():
        times = some.timestamps[some.signals < strong]
        streams, timed = streams + len(times), timed + int(np.count_nonzero(times >= 0))
        start = min(start, float(times[times >= 0].min(initial=np.iinfo(np.int64).max)))
    if timed < MIN_STREAMS or 2 * timed < streams:
        return _floored_log(listeners(histories, strong, len(facts.type_of)), facts)
    end = float(histories.timestamps.max()) + 1
    horizon = min(max((end - start) / _PARTS, _SHORTEST), _LONGEST, (end - start) / 4)
    moments = np.linspace(start + horizon, end - horizon, MOMENTS).tolist()
    as_of = AsOf.of(histories, strong, facts, horizon, [*moments, end])
    return _floored_log(_forecast(as_of, moments, end), facts)


def _forecast(as_of: AsOf, moments: Sequence[float], end: float) -> Floats64:
    """[items] expected streams within the horizon after `end`."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # a second to import
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    features, labels = [], []
    for moment in moments:
        rows = np.flatnonzero(as_of.may_be_streamed_after(moment))
        if len(rows) * MOMENTS > _ROWS:
            rows = np.sort(rng.choice(rows, _ROWS // MOMENTS, replace=False))
        features.append(as_of.features(moment)[rows])
        labels.append(as_of.streamed_after(moment)[rows])
    trees = HistGradientBoostingRegressor(
        loss="poisson", learning_rate=0.06, max_iter=150, max_leaf_nodes=15, min_samples_leaf=40,
        l2_regularization=1.0, early_stopping=False, random_state=0,
    )  # fmt: skip
    learned = np.concatenate(features)
    known = ~np.isnan(learned).all(axis=0)  # the trees take no column of which nothing is known, such as a missing date
    with threadpool_limits(1, "openmp"):  # its threads wait for each other: where a core is busy, twenty times as long
        trees.fit(learned[:, known], np.concatenate(labels))
        return np.asarray(trees.predict(as_of.features(end)[:, known]), np.float64)


def _floored_log(counts: Int64s | Floats64, facts: ItemFacts) -> Floats:
    items = np.bincount(facts.type_of)
    mean = np.bincount(facts.type_of, counts) / np.maximum(items, 1)
    floor = np.maximum(FLOOR * mean, 1e-6)[facts.type_of]
    return np.asarray(np.log(counts + floor), np.float32)
