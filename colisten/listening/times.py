"""The usual range of the times in some data: a wrong clock must not stretch it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np

from colisten.arrays import Int64s
from colisten.listening.raw import one_row

_SECONDS_A_DAY = 86_400
_FEW = 0.01
_GAP, _SHARE = 7, 0.05
_YEAR = 365


@dataclass(frozen=True)
class DayRange:
    """Days since 1970, both ends within."""

    first: int
    last: int


def usual_days(days: Int64s, rows: Int64s) -> DayRange:
    """The range of all days but those that hold, together, at most 1 % of the rows and lie far from the others.

    Far: behind a gap of more than a week and more than 5 % of what the middle 98 % of the rows span.

    Args:
        days: [d] days with rows, ascending.
        rows: [d] how many each has.
    """
    until = np.cumsum(rows)
    few = _FEW * until[-1]
    inner = days[np.searchsorted(until, few, side="right") : np.searchsorted(until, until[-1] - few) + 1]
    far = max(_GAP, _SHARE * (inner[-1] - inner[0]))
    gaps = np.flatnonzero(np.diff(days) > far)
    before = gaps[until[gaps] <= few]
    behind = gaps[until[-1] - until[gaps] <= few]
    return DayRange(
        int(days[before[-1] + 1] if len(before) else days[0]), int(days[behind[0]] if len(behind) else days[-1])
    )


def days_of(db: duckdb.DuckDBPyConnection, rows: str) -> tuple[Int64s, Int64s]:
    """Days with rows, ascending, and how many each has; `rows` is an SQL table with `timestamp`."""
    found = db.execute(f"""
        SELECT (timestamp // {_SECONDS_A_DAY})::BIGINT AS day, count(*)::BIGINT AS rows FROM {rows}
        WHERE timestamp IS NOT NULL GROUP BY day ORDER BY day""").fetchnumpy()
    return np.asarray(found["day"], np.int64), np.asarray(found["rows"], np.int64)


def usual_end(db: duckdb.DuckDBPyConnection, rows: str, today: datetime.date | None = None) -> int:
    """The last second of `rows` in the usual range, and not after today unless most of them are.

    Args:
        db: has `rows`, an SQL table with a `timestamp` that is not everywhere NULL.
        rows: its name.
        today: another day than this one.
    """
    days, counts = days_of(db, rows)
    now = days <= _day(today)
    if 2 * counts[now].sum() > counts.sum():
        days, counts = days[now], counts[now]
    end = (usual_days(days, counts).last + 1) * _SECONDS_A_DAY
    return int(one_row(db, f"SELECT max(timestamp) FROM {rows} WHERE timestamp < {end}")[0])


def time_warnings(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Warnings about the times of the usable interactions: after today, near 1970, far from all others."""
    days, rows = days_of(db, "(FROM checked_interactions WHERE reason IS NULL AND NOT ignored)")
    if not len(days):
        return
    today, usual = _day(None), usual_days(days, rows)
    if late := int(rows[days > today].sum()):
        yield f"{late:,} times lie after today (the last on {_named(days[-1])}): is a clock wrong?"
    if early := int(rows[days < _YEAR].sum()):
        yield f"{early:,} times lie in 1970: leave them empty where they are not known, and give seconds."
    far = ((days < usual.first) & (days >= _YEAR)) | ((days > usual.last) & (days <= today))
    if far.any():
        yield (
            f"{int(rows[far].sum()):,} times lie far from all others ({_named(days[far][0])}, say): "
            f"those are of {_named(usual.first)} to {_named(usual.last)}."
        )


def _day(today: datetime.date | None) -> int:
    return ((today or datetime.datetime.now(datetime.UTC).date()) - datetime.date(1970, 1, 1)).days


def _named(day: int | np.int64) -> str:
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day))).isoformat()
