"""Rows of JSON as events, or refused with the reason that an import of the same row would give."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.listening.events.rows import FIELDS, Event, read_events

NOW = 1_767_225_600
ROW = {"user_id": "u", "item_id": "book", "signal": "stream"}


def test_what_an_event_may_be_written_as() -> None:
    rows = [
        ROW,
        ROW | {"user_id": " u ", "item_id": 7, "timestamp": "2026-01-01T01:00:00+01:00", "value": "0.5", "event_id": 9},
        ROW | {"timestamp": "2026-01-01", "value": 3, "event_id": ""},
        ROW | {"timestamp": 12.9, "value": None},
        ROW | {"timestamp": "12"},
    ]
    assert read_events(rows, ["stream"], NOW) == (
        [
            Event("u", "book", "stream", NOW),
            Event("u", "7", "stream", NOW, 0.5, "9"),
            Event("u", "book", "stream", NOW, 3.0),
            Event("u", "book", "stream", 12),
            Event("u", "book", "stream", 12),
        ],
        [],
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["u", "book"], "a row is an object"),
        ({"user_id": "u", "signal": "stream"}, "item_id is missing"),
        (ROW | {"user_id": "  "}, "user_id is missing"),
        (ROW | {"user_id": True}, "user_id is not text"),
        (ROW | {"user_id": "\ud800"}, "user_id is not text"),
        (ROW | {"user_id": "a\0b"}, "user_id is not text"),
        (ROW | {"item_id": "ü" * 4083}, "item_id is longer than 8,164 bytes"),
        (ROW | {"signal": "strem"}, "signal 'strem' is unknown: there are stream, follow"),
        (ROW | {"timestamp": "yesterday"}, "timestamp is not seconds or a time"),
        (ROW | {"timestamp": float("inf")}, "timestamp is not seconds or a time"),
        (ROW | {"timestamp": -1}, "timestamp is before 1970"),
        (ROW | {"timestamp": NOW * 1000}, "timestamp is after 2100 (seconds are expected)"),
        (ROW | {"value": 1e39}, "value is not a finite number"),
        (ROW | {"value": [1]}, "value is not a finite number"),
        (ROW | {"item_type": "audiobook"}, "there is no field 'item_type'"),
    ],
)
def test_why_a_row_is_refused(row: object, reason: str) -> None:
    events, refused = read_events([ROW, row, ROW], ["stream", "follow"], NOW)
    assert len(events) == 2
    assert [place for place, _ in refused] == [1]
    assert refused[0].reason.startswith(reason)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*FIELDS, "other"]),
            st.one_of(st.none(), st.booleans(), st.text(), st.integers(), st.floats(), st.sampled_from(["stream"])),
        )
    )
)
def test_every_row_is_one_or_the_other(rows: list[dict[str, object]]) -> None:
    """And whatever is an event can be written to a database and to JSON."""
    events, refused = read_events(rows, ["stream"], NOW)
    assert len(events) + len(refused) == len(rows)
    for event in events:
        assert 0 <= event.timestamp < 1 << 33
        json.dumps(event, allow_nan=False).encode()
        assert 0 < len(event.user_id.encode()) <= 8164
