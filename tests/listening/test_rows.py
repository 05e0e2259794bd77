"""Every row is kept or set aside with its reason: never both, never lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import DataError
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings

BAD = [
    ({"user_id": None}, "user_id is missing"),
    ({"user_id": ""}, "user_id is missing"),
    ({"item_id": None}, "item_id is missing"),
    ({"item_type": None}, "item_type is missing"),
    ({"signal": None}, "signal is missing"),
    ({"timestamp": -5}, "timestamp is before 1970"),
    ({"timestamp": 1_700_000_000_000}, "timestamp is after 2100 (seconds are expected)"),
    ({"value": float("inf")}, "value is not a finite number"),
    ({"item_id": "nowhere"}, "item_id is not in the catalogue"),
    ({"item_type": "podcast"}, "item_type contradicts the catalogue"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_a_bad_row_is_set_aside_with_its_place_and_content(desk, make_event, change, reason):
    data = desk.write([make_event(), make_event(timestamp=2), make_event(**change)]).imported()
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    assert rejected["reason"].to_list() == [reason]
    assert rejected["line"].to_list() == [3]
    assert Path(rejected["file"][0]).name == "interactions.parquet"
    key, value = next(iter(change.items()))
    if value != float("inf"):
        assert json.loads(rejected["row"][0])[key] == value
    assert data.summary["rejected"] == {reason: 1}
    assert data.summary["counts"]["interactions"] == 2


def test_one_bad_value_in_csv_is_one_rejected_row(desk):
    desk.text("items.csv", "item_id,item_type,title,published\nbook,audiobook,A,2020\nold,audiobook,B,sometime\n")
    desk.text(
        "interactions.csv",
        "user_id,item_id,item_type,signal,timestamp,value\n"
        "u,book,audiobook,stream,1,2.5\n"
        "u,book,audiobook,stream,yesterday,\n"
        "u,book,audiobook,stream,2024-01-01T02:00:00+02:00,\n"
        "u,book\n"
        "u,book,audiobook,stream,,much\n"
        "u,book,audiobook,stream,,\n",
    )
    data = desk.imported()
    rejected = pl.read_parquet(data.root / "rejected.parquet").select("line", "reason")
    assert rejected.rows() == [
        (2, "timestamp is not seconds or a time"),
        (4, "no CSV row of these columns: missing columns"),
        (5, "value is not a finite number"),
        (2, "published is not a date"),
    ]
    events = pl.read_parquet(data.interactions)
    assert events["timestamp"].to_list() == [None, 1, 1_704_067_200]
    assert events["value"].to_list() == [None, 2.5, None]


def test_exact_duplicates_are_dropped_and_repeats_kept(desk, make_event):
    data = desk.write([make_event(), make_event(), make_event(timestamp=9), make_event(value=3.0)]).imported()
    assert data.summary["counts"]["duplicates"] == 1
    assert data.summary["counts"]["interactions"] == 3


def test_interactions_are_ordered_by_user_then_time_without_time_first(desk, make_event):
    events = [make_event(user_id=u, timestamp=t) for u, t in [("b", 3), ("a", 5), ("b", None), ("a", 2)]]
    found = pl.read_parquet(desk.write(events).imported().interactions)
    assert found.select("user", "timestamp").rows() == [(0, 2), (0, 5), (1, None), (1, 3)]


def test_ignored_signals_are_left_out_and_counted(desk, make_event):
    data = desk.write([make_event(), make_event(signal="skip", item_id="nowhere")]).imported("signals.ignored=skip")
    assert data.summary["counts"] | {"ignored": 1, "interactions": 1, "rejected": 0} == data.summary["counts"]


def test_an_id_with_quotes_and_cypher_is_only_an_id(desk, make_event, with_names):
    nasty = """u"'); DROP TABLE items; -- MATCH (n) DETACH DELETE n //\n{{x}} `"""
    data = desk.write(
        [make_event(user_id=nasty)], users=[{"user_id": nasty, 'it\'s "quoted"': 3, "file": "a", "reason": "b"}]
    ).imported()
    assert with_names(data)["user_id"].to_list() == [nasty]
    assert data.users.select(pl.exclude("user", "taste")).rows() == [(nasty, 3.0, "a", "b")]


def test_users_are_checked_too(desk):
    users = [
        {"user_id": "u", "age": "65+", "taste": [1.0, 2.0], "active": True},
        {"user_id": "u", "age": "20", "taste": [1.0, 2.0], "active": True},
        {"user_id": None, "age": None, "taste": None, "active": None},
        {"user_id": "v", "age": None, "taste": [1.0], "active": False},
        {"user_id": "w", "age": "30", "taste": None, "active": False},
        {"user_id": "x", "age": "30", "taste": [1.0, float("nan")], "active": False},
    ]
    data = desk.write(users=users).imported()
    assert data.users.rows() == [(0, "u", [1.0, 2.0], "65+", "true"), (1, "w", None, "30", "false")]
    assert data.summary["rejected"] == {
        "taste has another length than most": 1,
        "taste is not a list of finite numbers": 1,
        "user_id is missing": 1,
        "user_id was there before": 1,
    }


odd_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5) | st.text(",\"'\n;|", max_size=4)
rows = st.fixed_dictionaries({
    "user_id": st.sampled_from(["u", "v", "", None]) | odd_text,
    "item_id": st.sampled_from(["book", "other", "show", "gone", None]),
    "item_type": st.sampled_from(["audiobook", "podcast", None]),
    "signal": st.sampled_from(["stream", "follow", "skip", "", None]),
    "timestamp": st.none() | st.integers(-10, 10) | st.integers(-(2**63), 2**63 - 1),
    "value": st.none() | st.floats(width=32, allow_nan=False),
})  # fmt: skip
SCHEMA = {"user_id": pl.String, "item_id": pl.String, "item_type": pl.String, "signal": pl.String,
          "timestamp": pl.Int64, "value": pl.Float32}  # fmt: skip


GOOD = {"user_id": "u", "item_id": "book", "item_type": "audiobook", "signal": "stream", "timestamp": 1, "value": 1.0}


def imported(events: pl.DataFrame, items: list[dict[str, Any]], folder: Path, kind: str) -> ListeningData:
    source = folder / kind
    source.mkdir()
    pl.DataFrame(items).write_parquet(source / "items.parquet")
    getattr(events, f"write_{kind}")(source / f"interactions.{kind}")
    return import_data(
        str(source), folder / f"{kind}-out", Settings.load(["signals.ignored=skip"]), Progress(quiet=True)
    )


@settings(max_examples=20, deadline=None)
@given(generated=st.lists(rows, max_size=25))
def test_every_row_is_kept_or_rejected_from_parquet_as_from_csv(items, generated):
    events = pl.DataFrame([GOOD, *generated], schema=SCHEMA)
    with tempfile.TemporaryDirectory() as folder:
        data = imported(events, items, Path(folder), "parquet")
        rejected = pl.read_parquet(data.root / "rejected.parquet")
        counts = data.summary["counts"]
        kept = pl.read_parquet(data.interactions)
        assert rejected["line"].is_unique().all()
        assert len(rejected) + counts["ignored"] + counts["duplicates"] + len(kept) == len(events)
        assert sum(data.summary["rejected"].values()) == len(rejected)
        fine = events.with_row_index("line", 1).filter(~pl.col("line").is_in(rejected["line"].implode()))
        assert fine.filter(pl.col("signal") == "skip").height == counts["ignored"]
        assert set(fine.filter(pl.col("signal") != "skip")["user_id"]) == set(data.users["user_id"])

        twin = imported(events, items, Path(folder), "csv")
        assert pl.read_parquet(twin.interactions).equals(kept)
        again = pl.read_parquet(twin.root / "rejected.parquet")
        assert again.select("line", "reason").rows() == rejected.select("line", "reason").rows()


def test_missing_value_and_users_are_optional(desk, make_event):
    event = make_event()
    del event["value"]
    data = desk.write([event]).imported()
    assert pl.read_parquet(data.interactions)["value"].to_list() == [None]
    assert data.users["user_id"].to_list() == ["u"]


def test_nothing_usable_is_an_error_with_the_main_reason(desk, make_event):
    with pytest.raises(DataError, match=r"Not one of the 2 rows of interactions .* item_id is not in the catalogue\."):
        desk.write([make_event(item_id="x"), make_event(item_id="y")]).imported()
