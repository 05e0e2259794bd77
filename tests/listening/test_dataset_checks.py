"""Data that cannot be used as a whole: one sentence, and what was there before stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from colisten.errors import DataError
from colisten.listening.report import check_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import EVENT, ITEMS, Importer, event


def refused(importer: Importer, message: str, *overrides: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        importer.run(*overrides)
    assert "\n" not in str(caught.value)
    assert not importer.out.exists()
    assert [path.name for path in importer.out.parent.iterdir()] == ["source"], "a draft was left behind"
    with pytest.raises(DataError, match=message):
        check_data(str(importer.source), Settings.load(overrides), Progress(quiet=True))


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        check_data(str(tmp_path / "nowhere"), Settings.load(), Progress(quiet=True))


def test_unknown_address() -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        check_data("nosuch://bucket/x", Settings.load(), Progress(quiet=True))


def test_missing_table(importer: Importer) -> None:
    refused(importer.write(items=[]), "There is no items.parquet or items.csv")


@pytest.mark.parametrize("column", ["user_id", "item_id", "item_type", "signal", "timestamp"])
def test_missing_column(importer: Importer, column: str) -> None:
    without = {name: value for name, value in EVENT.items() if name != column}
    refused(importer.write([without]), f"interactions in .* lacks the column '{column}': it has ")


def test_missing_title_column(importer: Importer) -> None:
    refused(
        importer.write(items=[{"item_id": "book", "item_type": "audiobook"}]), "items in .* lacks the column 'title'"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [({"user_id": 1.5}, "'user_id' of .*interactions.parquet should hold text, but its type is DOUBLE"),
     ({"timestamp": [1]}, "'timestamp' of .*parquet should hold seconds or a time, but its type is BIGINT"),
     ({"value": "much"}, "No value of the column 'value' of interactions is a finite number"),
     ({"timestamp": "never"}, "No value of the column 'timestamp' of interactions is seconds or a time")],
)  # fmt: skip
def test_wrong_type(importer: Importer, change: dict[str, Any], message: str) -> None:
    refused(importer.write([event(**change)]), message)


def test_taken_feature_name(importer: Importer) -> None:
    refused(importer.write(users=[{"user_id": "u", "user": 1}]), "'user' of users has a name that Colisten needs")


def test_empty_files(importer: Importer) -> None:
    refused(importer.write().write_text("interactions.parquet", ""), "cannot be read: .*interactions.parquet")


def test_empty_csv(importer: Importer) -> None:
    importer.write_text("items.csv", "").write_text("interactions.csv", "user_id\n")
    refused(importer, "items.csv is empty")


def test_no_rows(importer: Importer) -> None:
    pl.DataFrame(schema=dict.fromkeys(("item_id", "item_type", "title"), pl.String)).write_parquet(
        importer.write().source / "items.parquet"
    )
    refused(importer, r"items has no rows\.")


def test_not_parquet(importer: Importer) -> None:
    refused(importer.write().write_text("items.parquet", "these are just some words"), "cannot be read")


def test_not_utf8(importer: Importer) -> None:
    (importer.source / "items.csv").write_bytes("item_id,item_type,title,größe\n".encode("latin-1"))
    importer.write_text("interactions.csv", "user_id,item_id,item_type,signal,timestamp\nu,i,audiobook,stream,1\n")
    refused(importer, "cannot be read as CSV in UTF-8")


def test_duplicate_item_ids(importer: Importer) -> None:
    refused(
        importer.write(items=[*ITEMS, ITEMS[0] | {"item_type": "podcast"}]),
        "The item_id 'book' stands 2 times in items",
    )


def test_the_same_item_twice_is_one(importer: Importer) -> None:
    data = importer.write(items=[*ITEMS, *ITEMS[:2]]).run()
    assert data.items["item_id"].to_list() == ["book", "other", "show"]
    assert data.summary["rejected"] == {"the same row was there before": 2}


def test_of_rows_that_contradict_the_first_is_kept(importer: Importer) -> None:
    many = [{"item_id": f"b{place}", "item_type": "audiobook", "title": "x"} for place in range(200)]
    broken = {"item_id": "show", "item_type": None, "title": "Not this one, it has no type"}
    other = ITEMS[0] | {"title": "Another title"}
    data = importer.write(items=[broken, *ITEMS, *many, other, other, ITEMS[0]]).run()
    assert data.items.filter(pl.col("item_id") == "book")["title"].to_list() == ["A book"]
    assert data.summary["counts"]["items"] == 203
    assert data.summary["rejected"] == {
        "item_id was there before, with other values": 2, "item_type is missing": 1, "the same row was there before": 1
    }  # fmt: skip
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    assert rejected.sort("line")["line"].to_list() == [1, 205, 206, 207]
    assert json.loads(rejected.sort("line")["row"][1])["title"] == "Another title"


def test_the_share_that_may_contradict_is_a_setting(importer: Importer) -> None:
    importer.write(items=[*ITEMS, ITEMS[0] | {"title": "Another title"}])
    refused(importer, r"'book' stands 2 times in items, .* listening.conflicting_items=0\.01")
    assert importer.run("listening.conflicting_items=.25").summary["counts"]["items"] == 3


def test_an_id_that_no_index_holds_is_set_aside(importer: Importer) -> None:
    rows = [{"item_id": "é" * length, "item_type": "audiobook", "title": "x"} for length in (4082, 4083)]
    data = importer.write(items=[*ITEMS, *rows]).run()
    assert data.items["item_id"].str.len_bytes().max() == 8164
    assert data.summary["rejected"] == {"item_id is longer than 8,164 bytes": 1}


def test_titles_are_composed(importer: Importer) -> None:
    importer.write(items=[ITEMS[0] | {"title": "Cafe\u0301 Noir"}, *ITEMS[1:]])
    assert importer.run().items["title"][0] == "Caf\u00e9 Noir"


def test_unknown_signal_names_the_setting_that_helps(importer: Importer) -> None:
    importer.write([event(), event(signal="like"), event(signal="like", timestamp=5)])
    refused(
        importer,
        r"signal 'like' \(2 rows\) .* --set signals.weak=follow,preview,intent,like or --set signals.ignored=like",
    )
    assert importer.run("signals.weak=like").signals == ("stream", "like")


def test_no_strong_signal(importer: Importer) -> None:
    refused(
        importer.write([event(signal="follow")]), "No interaction has a strong signal .* --set signals.strong=follow"
    )


def test_target_not_in_the_data_suggests_the_nearest(importer: Importer) -> None:
    refused(importer.write(), "target type 'audiobok'.*--set target=audiobook", "target=audiobok")


def test_too_many_types(importer: Importer) -> None:
    many = [{"item_id": str(n), "item_type": f"type{n}", "title": "x"} for n in range(255)]
    refused(importer.write(items=[*ITEMS, *many]), "257 item types, at most 255")


def test_parquet_and_csv_of_one_table(importer: Importer) -> None:
    refused(importer.write().write_text("items.csv", "item_id,item_type,title\n"), "both as Parquet and as CSV")


def test_a_failed_import_leaves_the_earlier_one(importer: Importer) -> None:
    before = importer.write().run()
    importer.write([event(signal="odd")])
    with pytest.raises(DataError):
        importer.run()
    assert before.summary["counts"]["interactions"] == 1
    assert len(pl.read_parquet(importer.out / "interactions.parquet")) == 1


FULL_DISK = """
import sys
from pathlib import Path
from colisten.errors import OutOfSpaceError
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import EVENT, ITEMS, Importer, event
try:
    import_data(sys.argv[1], Path(sys.argv[2]) / "out", Settings.load(), Progress(quiet=True))
except OutOfSpaceError as error:
    print(error, list(Path(sys.argv[2]).iterdir()))
"""


@pytest.mark.slow
def test_no_space_left(importer: Importer, tmp_path: Path) -> None:
    importer.write([event(user_id=f"user {n}", value=n / 7) for n in range(20_000)])
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=512k none {disk}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    words = ["unshare", "-rm", "sh", "-c", f'{mount} && "$@"', "sh", sys.executable, "-c", FULL_DISK]
    found = subprocess.run([*words, str(importer.source), str(disk)], check=True, capture_output=True, text=True)
    assert found.stdout == "The disk is full: checking spills to it; free some space and run again. []\n"
