"""Interactions from choices: sessions of streams with times and seconds, and the weak signals before them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from colisten.arrays import Bools, Floats64, Int64s
from colisten.listening.synth.catalogue import BEGIN, Catalogue
from colisten.listening.synth.choices import Choices

ODDS: Mapping[str, tuple[float, float]] = {"follow": (0.10, 2.18), "preview": (0.25, 1.18), "intent": (0.12, 1.13)}
"""Per weak signal: its rate without a stream, and the odds ratio with one (paper, appendix B)."""
_LEAD_DAYS = 4.0
_BETWEEN_DAYS = 2.0


def make_events(
    catalogue: Catalogue, choices: Choices, days: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The interactions file, ordered by time, and the table of choices with their weak signals."""
    moment = choices.earliest + rng.random(len(choices.user)) * np.maximum(choices.latest - choices.earliest, 0)
    streams = _streams(catalogue, choices, moment, days, rng)
    kind_of = catalogue.type_of[choices.item]
    weak = {signal: np.zeros(len(kind_of), bool) for kind in catalogue.types for signal in kind.weak}
    parts = [streams]
    for place, kind in enumerate(catalogue.types):
        for signal in kind.weak:
            given = _assign(choices.streamed, kind_of == place, *ODDS[signal], rng)
            weak[signal] |= given
            lead = rng.exponential(_LEAD_DAYS, given.sum())
            day = np.maximum(moment[given] - lead, choices.earliest[given] * 0.98 + 0.02 * moment[given])
            parts.append(_frame(choices.user[given], choices.item[given], signal, day, None))
    considered = {"user": choices.user, "item": choices.item, "streamed": choices.streamed, **weak}
    events = pl.concat(parts).sort("timestamp", "user", "item", "signal")
    return _named(events, catalogue), pl.DataFrame(considered)


def _assign(streamed: Bools, able: Bools, base: float, ratio: float, rng: np.random.Generator) -> Bools:
    """Give a signal to exact shares of the streamed and the other choices, so that small data keeps the odds ratio."""
    odds = base / (1 - base) * ratio
    given = np.zeros(len(streamed), bool)
    for group, share in ((streamed, odds / (1 + odds)), (~streamed, base)):
        members = np.flatnonzero(group & able)
        given[rng.permutation(members)[: round(share * len(members))]] = True
    return given


def _streams(
    catalogue: Catalogue, choices: Choices, moment: Floats64, days: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Each streamed item in one or several sessions, whose seconds add up to a part of its length."""
    user, item, first = choices.user[choices.streamed], choices.item[choices.streamed], moment[choices.streamed]
    kind = catalogue.type_of[item]
    length = _lengths(catalogue, rng)[item]
    sessions = 1 + rng.poisson(np.array([one.sessions - 1 for one in catalogue.types])[kind])
    seconds = length * rng.beta(2.0, 1.3, len(item)) / sessions
    pair = np.repeat(np.arange(len(item)), sessions)
    number = np.arange(len(pair)) - np.repeat(np.cumsum(sessions) - sessions, sessions)
    gaps = rng.exponential(_BETWEEN_DAYS, len(pair)) * (number > 0)
    later = np.cumsum(gaps)
    day = first[pair] + later - later[np.flatnonzero(number == 0)][pair]
    value = np.maximum(seconds[pair] * rng.lognormal(0, 0.3, len(pair)), 30)
    within = day < days
    return _frame(user[pair][within], item[pair][within], "stream", day[within], value[within])


def _lengths(catalogue: Catalogue, rng: np.random.Generator) -> Floats64:
    median = np.array([kind.hours for kind in catalogue.types])[catalogue.type_of]
    seconds: Floats64 = 3600 * median * rng.lognormal(0, 0.35, len(median))
    return seconds


def _frame(user: Int64s, item: Int64s, signal: str, day: Floats64, value: Floats64 | None) -> pl.DataFrame:
    begin = int(np.datetime64(BEGIN, "s").astype(np.int64))
    return pl.DataFrame({
        "user": user, "item": item, "signal": pl.repeat(signal, len(user), eager=True),
        "timestamp": begin + (day * 86400).astype(np.int64),
        "value": pl.Series(value, dtype=pl.Float32) if value is not None
        else pl.repeat(None, len(user), dtype=pl.Float32, eager=True),
    })  # fmt: skip


def _named(events: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    names = (
        catalogue.table.select("item_id", "item_type")
        .with_row_index("item")
        .with_columns(pl.col("item").cast(pl.Int64))
    )
    user = pl.format("user-{}", pl.col("user").cast(pl.String).str.zfill(6))
    return events.join(names, on="item", maintain_order="left").select(
        user.alias("user_id"), "item_id", "item_type", "signal", "timestamp", "value"
    )
