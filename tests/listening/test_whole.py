"""Data that cannot be used as a whole: one sentence, and what was there before stays."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from colisten.errors import DataError
from colisten.listening.report import check_data
from colisten.progress import Progress
from colisten.settings import Settings


def refused(desk, message: str, *overrides: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        desk.imported(*overrides)
    assert "\n" not in str(caught.value)
    assert not desk.out.exists()
    assert [path.name for path in desk.out.parent.iterdir()] == ["source"], "a draft was left behind"
    with pytest.raises(DataError, match=message):
        check_data(str(desk.source), Settings.load(overrides), Progress(quiet=True))


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        check_data(str(tmp_path / "nowhere"), Settings.load(), Progress(quiet=True))


def test_unknown_address():
    with pytest.raises(DataError, match="cannot be opened"):
        check_data("nosuch://bucket/x", Settings.load(), Progress(quiet=True))


def test_missing_table(desk):
    refused(desk.write(items=[]), "There is no items.parquet or items.csv")


@pytest.mark.parametrize("column", ["user_id", "item_id", "item_type", "signal", "timestamp"])
def test_missing_column(desk, make_event, column):
    event = make_event()
    del event[column]
    refused(desk.write([event]), f"interactions in .* lacks the column '{column}': it has ")


def test_missing_title_column(desk):
    refused(desk.write(items=[{"item_id": "book", "item_type": "audiobook"}]), "items in .* lacks the column 'title'")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"user_id": 1.5}, "'user_id' of interactions should hold text, but its type is DOUBLE"),
     ({"timestamp": [1]}, "'timestamp' of interactions should hold seconds or a time, but its type is BIGINT"),
     ({"value": "much"}, "No value of the column 'value' of interactions is a finite number"),
     ({"timestamp": "never"}, "No value of the column 'timestamp' of interactions is seconds or a time")],
)  # fmt: skip
def test_wrong_type(desk, make_event, change, message):
    refused(desk.write([make_event(**change)]), message)


def test_nested_feature(desk):
    refused(desk.write(users=[{"user_id": "u", "friends": ["v"]}]), r"'friends' of users is VARCHAR\[\]")


def test_taken_feature_name(desk):
    refused(desk.write(users=[{"user_id": "u", "user": 1}]), "'user' of users has a name that Colisten needs")


def test_empty_files(desk):
    refused(desk.write().text("interactions.parquet", ""), "cannot be read: .*interactions.parquet")


def test_empty_csv(desk):
    desk.text("items.csv", "").text("interactions.csv", "user_id\n")
    refused(desk, "items.csv is empty")


def test_no_rows(desk):
    pl.DataFrame(schema=dict.fromkeys(("item_id", "item_type", "title"), pl.String)).write_parquet(
        desk.write().source / "items.parquet"
    )
    refused(desk, r"items has no rows\.")


def test_not_parquet(desk):
    refused(desk.write().text("items.parquet", "these are just some words"), "cannot be read")


def test_not_utf8(desk):
    (desk.source / "items.csv").write_bytes("item_id,item_type,title,größe\n".encode("latin-1"))
    desk.text("interactions.csv", "user_id,item_id,item_type,signal,timestamp\nu,i,audiobook,stream,1\n")
    refused(desk, "cannot be read as CSV in UTF-8")


def test_duplicate_item_ids(desk, items):
    refused(
        desk.write(items=[*items, items[0] | {"item_type": "podcast"}]), "The item_id 'book' stands 2 times in items"
    )


def test_unknown_signal_names_the_setting_that_helps(desk, make_event):
    desk.write([make_event(), make_event(signal="like"), make_event(signal="like", timestamp=5)])
    refused(
        desk, r"signal 'like' \(2 rows\) .* --set signals.weak=follow,preview,intent,like or --set signals.ignored=like"
    )
    assert desk.imported("signals.weak=like").signals == ("stream", "like")


def test_no_strong_signal(desk, make_event):
    refused(
        desk.write([make_event(signal="follow")]), "No interaction has a strong signal .* --set signals.strong=follow"
    )


def test_target_not_in_the_data_suggests_the_nearest(desk):
    refused(desk.write(), "target type 'audiobok'.*--set target=audiobook", "target=audiobok")


def test_too_many_types(desk, items):
    many = [{"item_id": str(n), "item_type": f"type{n}", "title": "x"} for n in range(255)]
    refused(desk.write(items=[*items, *many]), "257 item types, at most 255")


def test_parquet_and_csv_of_one_table(desk):
    refused(desk.write().text("items.csv", "item_id,item_type,title\n"), "both as Parquet and as CSV")


def test_a_failed_import_leaves_the_earlier_one(desk, make_event):
    before = desk.write().imported()
    desk.write([make_event(signal="odd")])
    with pytest.raises(DataError):
        desk.imported()
    assert before.summary["counts"]["interactions"] == 1
    assert len(pl.read_parquet(desk.out / "interactions.parquet")) == 1


FULL_DISK = """
import sys
from pathlib import Path
from colisten.errors import OutOfSpaceError
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings
try:
    import_data(sys.argv[1], Path(sys.argv[2]) / "out", Settings.load(), Progress(quiet=True))
except OutOfSpaceError as error:
    print(error, list(Path(sys.argv[2]).iterdir()))
"""


def test_no_space_left(desk, make_event, tmp_path):
    desk.write([make_event(user_id=f"user {n}", value=n / 7) for n in range(20_000)])
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=512k none {disk}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    words = ["unshare", "-rm", "sh", "-c", f'{mount} && "$@"', "sh", sys.executable, "-c", FULL_DISK]
    found = subprocess.run([*words, str(desk.source), str(disk)], check=True, capture_output=True, text=True)
    assert found.stdout == "The disk is full: checking spills to it; free some space and run again. []\n"
