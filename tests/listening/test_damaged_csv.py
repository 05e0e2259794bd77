"""A damaged line of a CSV file costs itself and nothing behind it, and is told with file and line."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import fsspec
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from colisten.errors import DataError
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.listening.rejected import OPEN_QUOTE
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import Importer

HEADER = "user_id,item_id,item_type,signal,timestamp"
CATALOGUE = "item_id,item_type,title\nbook,audiobook,A book\nshow,podcast,A show\n"


def imported(folder: Path, interactions: bytes, items: str = CATALOGUE) -> ListeningData:
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "items.csv").write_text(items)
    (source / "interactions.csv").write_bytes(interactions)
    return import_data(str(source), folder / "out", Settings.load(), Progress(quiet=True))


def lines(count: int, user: str = "u{}") -> list[str]:
    return [f"{user.format(place)},book,audiobook,stream,{place}" for place in range(count)]


def times(data: ListeningData) -> list[int]:
    return sorted(pl.read_parquet(data.interactions)["timestamp"].to_list())


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@settings(max_examples=8)
@given(damaged=st.sets(st.integers(0, 29), max_size=6), column=st.integers(0, 3))
@example(damaged={0}, column=0)
@example(damaged={29}, column=3)
@example(damaged={3, 4}, column=1)
@example(damaged={3, 20}, column=1)
def test_an_open_quote_costs_its_line(damaged: set[int], column: int, end: str, quoted: bool) -> None:
    rows = lines(30, '"u, ""{}"""' if quoted else "u{}")
    for place in damaged:
        values = lines(30)[place].split(",")
        values[column] = '"' + values[column]
        rows[place] = ",".join(values)
    with tempfile.TemporaryDirectory() as folder:
        data = imported(Path(folder), end.join([HEADER, *rows, ""]).encode())
        rejected = pl.read_parquet(data.root / "rejected.parquet")
        assert times(data) == [place for place in range(30) if place not in damaged]
        assert rejected["line"].to_list() == [place + 1 for place in sorted(damaged)]
        assert [json.loads(row)["text"] for row in rejected["row"]] == [rows[place] for place in sorted(damaged)]
        assert set(rejected["reason"]) <= {f"no CSV row of these columns: {OPEN_QUOTE}"}
        assert {Path(file).name for file in rejected["file"]} <= {"interactions.csv"}


def test_quotes_that_pair_over_many_lines_swallow_nothing(tmp_path: Path) -> None:
    rows = lines(40)
    rows[5] = 'u5,"book,audiobook,stream,5'
    rows[30] = 'u30,book",audiobook,stream,30'
    data = imported(tmp_path, "\n".join([HEADER, *rows]).encode())
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    assert len(pl.read_parquet(data.interactions)) + len(rejected) == 40
    assert rejected["line"].to_list() == [6, 31]


@pytest.mark.parametrize("begin", ['"', ' "', '  "'])
def test_quotes_behind_blanks_are_quotes(begin: str, tmp_path: Path) -> None:
    """DuckDB has it so: what a file with another damaged line is repaired by must have it so too."""
    rows = lines(20)
    rows[3] = f'{begin}u3",book,audiobook,stream,3'
    rows[5] = f"{begin}u5,book,audiobook,stream,5"
    rows[9] = 'u9"",book"",audiobook,stream,9'
    rows[12] = f"u12,{begin}book,audiobook,stream,12"
    data = imported(tmp_path, "\n".join([HEADER, *rows]).encode())
    assert set(range(20)) - {5, 9, 12} <= set(times(data))


def test_an_open_quote_in_a_title_loses_no_item(tmp_path: Path) -> None:
    items = [f"b{place},audiobook,Title {place},de" for place in range(20)]
    items[4] = 'b4,audiobook,"Title 4,de'
    items[7] = 'b7,audiobook,"A title\nof two lines, both fine",de'
    items[9] = 'b9,audiobook,Title 9",de'
    data = imported(
        tmp_path, f"{HEADER}\nu,b0,audiobook,stream,1\n".encode(),
        "\n".join(["item_id,item_type,title,language", *items, ""]),
    )  # fmt: skip
    assert set(data.items["item_id"]) == {f"b{place}" for place in range(20)} - {"b4"}
    assert "A title\nof two lines, both fine" in data.items["title"].to_list()
    assert data.summary["rejected"] == {f"no CSV row of these columns: {OPEN_QUOTE}": 1}


def test_line_breaks_within_quotes_are_no_damage(tmp_path: Path) -> None:
    title = '"One\nTwo, three, four\n\n""five"""'
    data = imported(
        tmp_path, f"{HEADER}\nu,b,audiobook,stream,1\n".encode(), f"item_id,item_type,title\nb,audiobook,{title}\n"
    )
    assert data.items["title"].to_list() == ['One\nTwo, three, four\n\n"five"']
    assert data.summary["rejected"] == {}


def test_quotes_may_be_escaped_by_backslashes(tmp_path: Path) -> None:
    titles = ['"He said \\"hi\\", ok"', "plain", '"back\\\\slash, and \\"two\nlines\\""']
    items = "\n".join(["item_id,item_type,title", *(f"b{n},audiobook,{title}" for n, title in enumerate(titles)), ""])
    data = imported(tmp_path, f"{HEADER}\nu,b1,audiobook,stream,1\n".encode(), items)
    assert data.items["title"].to_list() == ['He said "hi", ok', "plain", 'back\\slash, and "two\nlines"']


def test_a_backslash_at_the_end_of_a_value_is_no_escape(tmp_path: Path) -> None:
    items = 'item_id,item_type,title\nb1,audiobook,"C:\\"\nb2,audiobook,"a """\n'
    data = imported(tmp_path, f"{HEADER}\nu,b1,audiobook,stream,1\n".encode(), items)
    assert data.items["title"].to_list() == ["C:\\", 'a "']


@pytest.mark.parametrize("gap", ["\r\n", "\r"])
def test_line_ends_may_change_within_a_file(tmp_path: Path, gap: str) -> None:
    rows = lines(60)
    text = "\n".join([HEADER, *rows[:30], ""]) + gap.join([*rows[30:], ""])
    assert times(imported(tmp_path, text.encode())) == list(range(60))
    again = gap.join([HEADER, *rows[:30], ""]) + "\n".join([*rows[30:], ""])
    assert times(imported(tmp_path, again.encode())) == list(range(60))


def test_a_carriage_return_in_a_title_is_a_blank(tmp_path: Path) -> None:
    data = imported(
        tmp_path, f"{HEADER}\nu,b1,audiobook,stream,1\n".encode(),
        "item_id,item_type,title\nb1,audiobook,Al\rpha\nb2,audiobook,Beta\r\nb3,audiobook,\"Gam\rma\"\n",
    )  # fmt: skip
    assert data.items["title"].to_list() == ["Al pha", "Beta", "Gam ma"]


def test_a_carriage_return_in_an_id_makes_nobody_else(tmp_path: Path) -> None:
    """What stands behind it looks like a row, and what stands before it like none."""
    data = imported(tmp_path, f"{HEADER}\nu\rv,book,audiobook,stream,1\nw,show,podcast,stream,2\n".encode())
    assert data.users["user_id"].to_list() == ["u v", "w"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str) -> None:
    text = "\n".join([HEADER, *lines(5, "ü{}"), ""])
    assert imported(tmp_path, text.encode(encoding)).users["user_id"].to_list() == [f"ü{place}" for place in range(5)]


def test_a_quote_among_the_names_is_told(importer: Importer) -> None:
    importer.write_text("items.csv", CATALOGUE)
    importer.write_text("interactions.csv", "\n".join([HEADER.replace("signal", '"signal'), *lines(5000)]))
    with pytest.raises(DataError, match=r"interactions\.csv has a quote among the names of its columns"):
        importer.run()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_that_begin_with_a_byte_order_mark(tmp_path: Path, encoding: str, end: str) -> None:
    text = end.join([HEADER, *lines(5, "ü{}"), ""])
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    data = imported(tmp_path, (mark + text).encode(encoding))
    assert data.users["user_id"].to_list() == [f"ü{place}" for place in range(5)]


@pytest.mark.parametrize("damage", ["cut", "plain", "changed"])
def test_a_gzip_file_that_is_none_is_named(importer: Importer, damage: str) -> None:
    importer.write_text("items.csv", CATALOGUE)
    text = "\n".join([HEADER, *lines(5000)]).encode()
    packed = gzip.compress(text)
    content = {"cut": packed[: len(packed) // 2], "plain": text, "changed": packed[:200] + b"\0" * 50 + packed[250:]}
    (importer.source / "interactions.csv.gz").write_bytes(content[damage])
    with pytest.raises(DataError, match=r"interactions\.csv\.gz is no whole gzip file"):
        importer.run()
    assert not importer.out.exists()


def test_a_damaged_line_in_a_packed_file(importer: Importer) -> None:
    importer.write_text("items.csv", CATALOGUE)
    rows = lines(30)
    rows[3] = 'u3,"book,audiobook,stream,3'
    (importer.source / "interactions.csv.gz").write_bytes(gzip.compress("\n".join([HEADER, *rows]).encode()))
    data = importer.run()
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    assert (Path(rejected["file"][0]).name, rejected["line"].to_list()) == ("interactions.csv.gz", [4])
    assert len(pl.read_parquet(data.interactions)) == 29


def test_a_damaged_line_in_an_object_store(importer: Importer) -> None:
    store = fsspec.filesystem("memory")
    rows = lines(30)
    rows[3] = 'u3,"book,audiobook,stream,3'
    store.pipe("/bucket/[a] b/items.csv", CATALOGUE.encode())
    store.pipe("/bucket/[a] b/interactions/item_type=audiobook/p[1]*.csv", "\n".join([HEADER, *rows]).encode())
    try:
        data = importer.run(source="memory://bucket/[a] b")
    finally:
        store.rm("/bucket", recursive=True)
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    assert rejected["file"][0] == "memory:///bucket/[a] b/interactions/item_type=audiobook/p[1]*.csv"
    assert len(pl.read_parquet(data.interactions)) == 29
