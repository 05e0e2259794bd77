"""Files of events: the same events from CSV, Parquet and JSON lines, and the rows that are none by their number."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from colisten.errors import DataError
from colisten.listening.events.files import events_in
from colisten.listening.events.rows import Event
from colisten.settings import ListeningSettings

ROWS = [
    {"user_id": "ana", "item_id": "a, b", "signal": "stream", "timestamp": "2026-01-01", "value": 0.5, "event_id": "1"},
    {"user_id": "ana", "item_id": "c", "signal": "skip", "timestamp": "2026-01-01", "value": None, "event_id": "2"},
    {"user_id": " ben ", "item_id": "c", "signal": "stream", "timestamp": "7", "value": None, "event_id": None},
    {"user_id": None, "item_id": "c", "signal": "stream", "timestamp": "7", "value": None, "event_id": None},
    {"user_id": "ben", "item_id": "c", "signal": "stream", "timestamp": "soon", "value": None, "event_id": None},
]
EXPECTED = [Event("ana", "a, b", "stream", 1_767_225_600, 0.5, "1"), Event("ben", "c", "stream", 7)]


@pytest.mark.parametrize("name", ["events.csv", "events.parquet", "events.jsonl"])
def test_every_kind_of_file_gives_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    table = pl.DataFrame(ROWS)
    if path.suffix == ".csv":
        table.write_csv(path)
    elif path.suffix == ".parquet":
        table.write_parquet(path)
    else:
        path.write_text("\n".join(json.dumps(row) for row in ROWS))
    found = list(events_in(path, ["stream", "follow"], ListeningSettings()))
    assert [event for events, _ in found for event in events] == EXPECTED
    refused = [row for _, rows in found for row in rows]
    assert [row.row for row in refused] == [2, 4, 5]
    assert "there are stream, follow" in refused[0].reason
    assert [row.reason for row in refused[1:]] == ["user_id is missing", "timestamp is not seconds or a time"]


def test_without_times_events_are_of_now(tmp_path: Path) -> None:
    pl.DataFrame(ROWS[:1]).drop("timestamp", "value").write_csv(tmp_path / "events.csv")
    ((event,),) = [
        events for events, _ in events_in(tmp_path / "events.csv", ["stream"], ListeningSettings()) if events
    ]
    assert event.timestamp > 1_767_225_600
    assert event.value is None


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "events.txt").write_text("user_id\n")
    (tmp_path / "events.csv").write_text("user_id,signal\nu,stream\n")
    with pytest.raises(DataError, match=r"its name ends in"):
        list(events_in(tmp_path / "events.txt", ["stream"], ListeningSettings()))
    with pytest.raises(DataError, match="lacks the column 'item_id'"):
        list(events_in(tmp_path / "events.csv", ["stream"], ListeningSettings()))
