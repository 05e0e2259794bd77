"""Every row is kept or rejected with its reason: never both, never lost."""

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
from tests.listening.sources import EVENT, ITEMS, Importer, event, named

BLANKS = " \t\n\v\f\r\x85\xa0\u2028\u2029\u202f\u205f\u3000\u1680\u200b\u2060\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
BAD = [
    ({"user_id": None}, "user_id is missing"),
    ({"user_id": ""}, "user_id is missing"),
    ({"item_id": None}, "item_id is missing"),
    ({"item_type": None}, "item_type is missing"),
    ({"signal": None}, "signal is missing"),
    ({"timestamp": -5}, "timestamp is before 1970"),
    ({"timestamp": 1_700_000_000_000}, "timestamp is after 2100 (seconds are expected)"),
    ({"user_id": "u" * 8165}, "user_id is longer than 8,164 bytes"),
    ({"item_id": "nowhere"}, "item_id is not in the catalogue"),
    ({"item_type": "podcast"}, "item_type contradicts the catalogue"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_a_bad_row_is_rejected_with_its_place_and_content(
    importer: Importer, change: dict[str, Any], reason: str
) -> None:
    data = importer.write([event(), event(timestamp=2), event(**change)]).run()
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    assert rejected["reason"].to_list() == [reason]
    assert rejected["line"].to_list() == [3]
    assert Path(rejected["file"][0]).name == "interactions.parquet"
    key, value = next(iter(change.items()))
    assert json.loads(rejected["row"][0])[key] == value
    assert data.summary["rejected"] == {reason: 1}
    assert data.summary["counts"]["interactions"] == 2


def test_one_bad_value_in_csv_is_one_rejected_row(importer: Importer) -> None:
    importer.write_text(
        "items.csv", "item_id,item_type,title,published\nbook,audiobook,A,2020\nold,audiobook,B,sometime\n"
    )
    importer.write_text(
        "interactions.csv",
        "user_id,item_id,item_type,signal,timestamp,value\n"
        "u,book,audiobook,stream,1,2.5\n"
        "u,book,audiobook,stream,yesterday,\n"
        "u,book,audiobook,stream,2024-01-01T02:00:00+02:00,\n"
        "u,book\n"
        "u,book,audiobook,stream,,much\n"
        "u,book,audiobook,stream,,\n",
    )
    data = importer.run()
    rejected = pl.read_parquet(data.root / "rejected.parquet").select("line", "reason")
    assert rejected.rows() == [
        (2, "timestamp is not seconds or a time"),
        (4, "no CSV row of these columns: missing columns"),
    ]
    assert data.summary["unread"] == {
        "published is not a date: 'sometime'": 1,
        "value is not a finite number: 'much'": 1,
    }
    events = pl.read_parquet(data.interactions)
    assert events["timestamp"].to_list() == [None, 1, 1_704_067_200]
    assert events["value"].to_list() == [None, 2.5, None]
    assert data.items["item_id"].to_list() == ["book", "old"]


def test_exact_duplicates_are_dropped_and_repeats_kept(importer: Importer) -> None:
    data = importer.write([event(), event(), event(timestamp=9), event(value=3.0)]).run()
    assert data.summary["counts"]["duplicates"] == 1
    assert data.summary["counts"]["interactions"] == 3


def test_interactions_are_ordered_by_user_then_time_without_time_first(importer: Importer) -> None:
    events = [event(user_id=u, timestamp=t) for u, t in [("b", 3), ("a", 5), ("b", None), ("a", 2)]]
    found = pl.read_parquet(importer.write(events).run().interactions)
    assert found.select("user", "timestamp").rows() == [(0, 2), (0, 5), (1, None), (1, 3)]


def test_ignored_signals_are_left_out_and_counted(importer: Importer) -> None:
    data = importer.write([event(), event(signal="skip", item_id="nowhere")]).run("signals.ignored=skip")
    assert data.summary["counts"] | {"ignored": 1, "interactions": 1, "rejected": 0} == data.summary["counts"]


def test_an_id_with_quotes_and_cypher_is_only_an_id(importer: Importer) -> None:
    nasty = """u"'); DROP TABLE items; -- MATCH (n) DETACH DELETE n //\n{{x}} `"""
    data = importer.write(
        [event(user_id=nasty)], users=[{"user_id": nasty, 'it\'s "quoted"': 3, "file": "a", "reason": "b"}]
    ).run()
    assert named(data)["user_id"].to_list() == [nasty]
    assert data.users.select(pl.exclude("user", "taste")).rows() == [(nasty, 3.0, "a", "b")]


def test_users_are_checked_too(importer: Importer) -> None:
    users: list[dict[str, Any]] = [
        {"user_id": "u", "age": "65+", "taste": [1.0, 2.0], "active": True},
        {"user_id": "u", "age": "20", "taste": [1.0, 2.0], "active": True},
        {"user_id": None, "age": None, "taste": None, "active": None},
        {"user_id": "v", "age": None, "taste": [1.0], "active": False},
        {"user_id": "w", "age": "30", "taste": None, "active": False},
        {"user_id": "x", "age": "30", "taste": [1.0, float("nan")], "active": False},
    ]
    data = importer.write(users=users).run()
    assert data.users.rows() == [
        (0, "u", [1.0, 2.0], "65+", "true"),
        (1, "v", None, None, "false"),
        (2, "w", None, "30", "false"),
        (3, "x", None, "30", "false"),
    ]
    assert data.summary["rejected"] == {"user_id is missing": 1, "user_id was there before": 1}
    assert data.summary["unread"] == {
        "taste has another length than most: '[1.0]'": 1,
        "taste is not a list of finite numbers: '[1.0, nan]'": 1,
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


def imported(events: pl.DataFrame, folder: Path, kind: str) -> ListeningData:
    source = folder / kind
    source.mkdir()
    pl.DataFrame(ITEMS).write_parquet(source / "items.parquet")
    getattr(events, f"write_{kind}")(source / f"interactions.{kind}")
    return import_data(
        str(source), folder / f"{kind}-out", Settings.load(["signals.ignored=skip"]), Progress(quiet=True)
    )


def kept_ids(rows: pl.DataFrame) -> pl.Series:
    """Blanks around an id are cut."""
    return rows["user_id"].str.strip_chars(BLANKS)


@pytest.mark.slow
@settings(max_examples=20)
@given(generated=st.lists(rows, max_size=25))
def test_every_row_is_kept_or_rejected_from_parquet_as_from_csv(generated: list[dict[str, Any]]) -> None:
    events = pl.DataFrame([EVENT, *generated], schema=SCHEMA)
    with tempfile.TemporaryDirectory() as folder:
        data = imported(events, Path(folder), "parquet")
        rejected = pl.read_parquet(data.root / "rejected.parquet")
        counts = data.summary["counts"]
        kept = pl.read_parquet(data.interactions)
        assert rejected["line"].is_unique().all()
        assert len(rejected) + counts["ignored"] + counts["duplicates"] + len(kept) == len(events)
        assert sum(data.summary["rejected"].values()) == len(rejected)
        fine = events.with_row_index("line", 1).filter(~pl.col("line").is_in(rejected["line"].implode()))
        assert fine.filter(pl.col("signal") == "skip").height == counts["ignored"]
        assert set(kept_ids(fine.filter(pl.col("signal") != "skip"))) == set(data.users["user_id"])

        twin = imported(events, Path(folder), "csv")
        assert pl.read_parquet(twin.interactions).equals(kept)
        again = pl.read_parquet(twin.root / "rejected.parquet")
        assert again.select("line", "reason").rows() == rejected.select("line", "reason").rows()


def test_missing_value_and_users_are_optional(importer: Importer) -> None:
    unvalued = {name: value for name, value in EVENT.items() if name != "value"}
    data = importer.write([unvalued]).run()
    assert pl.read_parquet(data.interactions)["value"].to_list() == [None]
    assert data.users["user_id"].to_list() == ["u"]


def test_nothing_usable_is_an_error_with_the_main_reason(importer: Importer) -> None:
    with pytest.raises(DataError, match=r"Not one of the 2 rows of interactions .* item_id is not in the catalogue\."):
        importer.write([event(item_id="x"), event(item_id="y")]).run()
