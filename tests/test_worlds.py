"""Listening data made by hand has the form of data that was imported."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.worlds import Event, write_listening

FILES = ("interactions", "items", "users", "relations", "availability", "rejected")
TYPES = ("audiobook", "audiobook", "podcast")
EVENTS: list[Event] = [(1, 2, 1, None), (1, 0, 0, 7), (0, 1, 0, 5), (0, 1, 0, 5), (1, 2, 0, None)]


def test_a_world_is_what_an_import_writes(tmp_path: Path) -> None:
    by_hand = write_listening(tmp_path / "by hand", TYPES, EVENTS)
    source = tmp_path / "source"
    source.mkdir()
    rows = [(f"u{user}", f"i{item}", TYPES[item], by_hand.signals[signal], time) for user, item, signal, time in EVENTS]
    names = ["user_id", "item_id", "item_type", "signal", "timestamp"]
    pl.DataFrame(rows, names, orient="row").write_parquet(source / "interactions.parquet")
    by_hand.items.select("item_id", "item_type", "title").write_parquet(source / "items.parquet")
    settings = Settings.load(["signals.weak=follow"])
    imported = import_data(str(source), tmp_path / "imported", settings, Progress(quiet=True))
    for name in FILES:
        ours, theirs = (pl.read_parquet(data.root / f"{name}.parquet") for data in (by_hand, imported))
        assert ours.schema == theirs.schema, name
        assert ours.equals(theirs), name
    assert {path.name for path in by_hand.root.iterdir()} == {path.name for path in imported.root.iterdir()}
    summaries = [json.loads((data.root / "summary.json").read_text()) for data in (by_hand, imported)]
    assert [summary.pop("lineage") != "" for summary in summaries] == [True, True]
    assert "3 times lie in 1970" in summaries[1]["warnings"].pop()
    assert summaries[0] == summaries[1]


def test_columns_beyond_the_contract_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_listening(tmp_path / "w", TYPES, EVENTS, items={"colour": ["red"] * 3})
