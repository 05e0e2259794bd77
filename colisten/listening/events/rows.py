"""Rows of the event log: read from JSON by the rules of the data contract, or refused with a reason."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from colisten.listening.limits import LONGEST_ID, YEAR_2100
from colisten.listening.values import BLANKS

FIELDS = ("user_id", "item_id", "signal", "timestamp", "value", "event_id")
_LARGEST_FLOAT = 3.4028234663852886e38
"""Of 32 bits."""
_SHOWN = 40
"""Letters of a value that are shown."""


class Event(NamedTuple):
    """One thing that a user did with an item."""

    user_id: str
    item_id: str
    signal: str
    timestamp: int
    """Seconds, UTC."""
    value: float | None = None
    event_id: str | None = None
    """The platform's own name of the event: what comes twice under it counts once."""


class RefusedRow(NamedTuple):
    """A row that is no event: its place in what was sent, from 0, and why."""

    row: int
    reason: str


class _RefusedError(Exception):
    """Carries the reason."""


def read_events(rows: Collection[object], signals: Collection[str], now: int) -> tuple[list[Event], list[RefusedRow]]:
    """The events among some rows of JSON, and the rows that are none.

    Args:
        rows: as `json` reads them: objects with the fields of `Event`, where `timestamp` may also be a time in words
            and an id a whole number. Blanks around ids and signals are cut.
        signals: those that count.
        now: seconds, for events without a `timestamp`.
    """
    events, refused = [], []
    for place, row in enumerate(rows):
        try:
            events.append(_event(row, signals, now))
        except _RefusedError as reason:
            refused.append(RefusedRow(place, str(reason)))
    return events, refused


def _event(row: object, signals: Collection[str], now: int) -> Event:
    if not isinstance(row, Mapping):
        raise _RefusedError("a row is an object with user_id, item_id and signal")
    if unknown := next((name for name in row if name not in FIELDS), None):
        raise _RefusedError(f"there is no field {str(unknown)[:_SHOWN]!r}: an event has {', '.join(FIELDS)}")
    user_id, item_id, signal = (_required(name, row) for name in ("user_id", "item_id", "signal"))
    if signal not in signals:
        raise _RefusedError(f"signal {signal[:_SHOWN]!r} is unknown: there are {', '.join(signals)}")
    time = row.get("timestamp")
    seconds = now if time is None or time == "" else _seconds(time)
    return Event(user_id, item_id, signal, seconds, _number(row.get("value")), _id("event_id", row) or None)


def _required(name: str, row: Mapping[str, object]) -> str:
    found = _id(name, row)
    if not found:
        raise _RefusedError(f"{name} is missing")
    return found


def _id(name: str, row: Mapping[str, object]) -> str:
    """An id without the blanks around it; empty where there is none."""
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _RefusedError(f"{name} is not text")
    try:
        text = str(value).strip(BLANKS)
        length = len(text.encode())
    except ValueError:  # half a surrogate pair, or a number of thousands of digits
        raise _RefusedError(f"{name} is not text") from None
    if length > LONGEST_ID:
        raise _RefusedError(f"{name} is longer than {LONGEST_ID:,} bytes")
    if "\0" in text:
        raise _RefusedError(f"{name} is not text")
    return text


def _seconds(value: object) -> int:
    try:
        seconds = _moment(value)
    except (ValueError, OverflowError):
        raise _RefusedError("timestamp is not seconds or a time") from None
    if seconds < 0:
        raise _RefusedError("timestamp is before 1970")
    if seconds > YEAR_2100:
        raise _RefusedError("timestamp is after 2100 (seconds are expected)")
    return seconds


def _moment(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)
    if not isinstance(value, str):
        return math.floor(value)
    try:
        return int(value)
    except ValueError:
        found = datetime.fromisoformat(value.strip())
        return math.floor((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _number(value: object) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= _LARGEST_FLOAT:
        raise _RefusedError("value is not a finite number")
    return number
