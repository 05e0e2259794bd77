"""Analysis of an A/B test: rates by group after the first exposure, and their differences from the control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from colisten.arrays import Floats64
from colisten.errors import DataError
from colisten.evaluation.intervals import interval
from colisten.serving.experiment.groups import Experiment

RATES = {
    "stream_rate": "streamed",
    "new_start_rate": "started",
}
"""Rate → outcome of a user: streamed an item after it was shown to them; started an item of the shown types, shown or
not, that they had never streamed (paper, Table 5)."""
_SECONDS = 86_400


@dataclass(frozen=True)
class GroupRate:
    """The mean outcome of one group's exposed users. Intervals hold 95 % of bootstrap resamples of the users."""

    group: str
    rate: str
    users: int
    value: float
    low: float
    high: float
    difference: float | None = None
    """From the control, which has none."""
    difference_low: float | None = None
    difference_high: float | None = None
    change: float | None = None
    """The difference as a share of the control's rate."""


def analyse_experiment(
    experiment: Experiment,
    exposures: pl.LazyFrame,
    streams: pl.LazyFrame,
    *,
    days: float | None = None,
    draws: int = 10_000,
    seed: int = 7,
) -> list[GroupRate]:
    """Rates by group in the `days` after each user's first exposure (None: in all time since).

    Args:
        experiment: its groups, the control first.
        exposures: as `read_exposures` has them.
        streams: `user_id`, `item_id`, `item_type`, `time`.
        days: how long streams count.
        draws: bootstrap resamples.
        seed: of these.

    Raises:
        DataError: there is no stream after the first exposure.
    """
    return compare_groups(experiment, _outcomes(exposures, streams, days), draws=draws, seed=seed)


def compare_groups(
    experiment: Experiment, outcomes: pl.DataFrame, *, draws: int = 10_000, seed: int = 7
) -> list[GroupRate]:
    """Rates by group, from `group` and the `RATES` of each user (1 or 0)."""
    rng = np.random.default_rng(seed)
    values = {name: outcomes.filter(pl.col("group") == name).select(*RATES.values()) for name in experiment.groups}
    present = {name: rows for name, rows in values.items() if len(rows)}
    resampled = {name: _resampled(rows, draws, rng) for name, rows in present.items()}
    return list(_group_rates(present, resampled, next(iter(experiment.groups))))


def _outcomes(exposures: pl.LazyFrame, streams: pl.LazyFrame, days: float | None) -> pl.DataFrame:
    """`group`, `streamed`, `started` (1 or 0) of each exposed user."""
    begin = exposures.group_by("user_id").agg(group=pl.col("group").first(), begin=pl.col("at").min())
    window = begin.with_columns(end=pl.col("begin") + int(days * _SECONDS) if days else pl.lit(2**62))
    streams = streams.join(window, on="user_id")
    shown = exposures.group_by("user_id", "item_id").agg(pl.col("at").min())
    streamed = streams.join(shown, on=["user_id", "item_id"]).filter(
        pl.col("time").is_between("at", "end", closed="right")
    )
    first = streams.group_by("user_id", "item_id", "item_type").agg(pl.col("time", "begin", "end").min())
    started = first.filter(pl.col("time").is_between("begin", "end", closed="right"))
    started = started.join(exposures.select("item_type").unique(), on="item_type")
    users = begin.select("user_id", "group")
    for name, rows in (("streamed", streamed), ("started", started)):
        users = users.join(
            rows.select("user_id").unique().with_columns(pl.lit(1.0).alias(name)), on="user_id", how="left"
        )
    _refuse_no_streams(streams)
    return users.with_columns(pl.col("streamed", "started").fill_null(0.0)).collect(engine="streaming")


def _refuse_no_streams(streams: pl.LazyFrame) -> None:
    later = streams.filter(pl.col("time") > pl.col("begin")).select(pl.len()).collect(engine="streaming").item()
    if not later:
        raise DataError(
            "The data has no stream after the first exposure: wait a while, and post events or import today's data "
            "(`colisten run` or `colisten data import`) before reading the experiment."
        )


def _resampled(outcomes: pl.DataFrame, draws: int, rng: np.random.Generator) -> Floats64:
    """[draws, rates] means over resampled users.

    Drawn is the number of users with each combination of outcomes: the same distribution as drawing user by user,
    whatever the order of users.
    """
    combinations = outcomes.group_by(outcomes.columns).len().sort(outcomes.columns)
    counts = combinations["len"].to_numpy()
    drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=draws)
    return np.asarray(drawn @ combinations.drop("len").to_numpy() / counts.sum())


def _group_rates(
    values: Mapping[str, pl.DataFrame], resampled: Mapping[str, Floats64], control: str
) -> Iterator[GroupRate]:
    for place, rate in enumerate(RATES):
        for group, outcomes in values.items():
            mean = float(outcomes.to_numpy()[:, place].mean())
            low, high = _ends(resampled[group][:, place])
            plain = GroupRate(group, rate, len(outcomes), mean, low, high)
            if group == control or control not in values:
                yield plain
                continue
            base = float(values[control].to_numpy()[:, place].mean())
            least, most = _ends(resampled[group][:, place] - resampled[control][:, place])
            change = mean / base - 1 if base else None
            yield replace(plain, difference=mean - base, difference_low=least, difference_high=most, change=change)


def _ends(means: Floats64) -> tuple[float, float]:
    low, high = interval(means[:, None])
    return float(low[0]), float(high[0])
