"""Files and folders as Spark, Dask, pandas and spreadsheets write them."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from colisten.errors import DataError
from tests.listening.sources import EVENT, ITEMS, Importer, event

EVENTS = [event(user_id=user, item_id=item) for user in ("u", "v") for item in ("book", "other")]


def write(frame: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    getattr(frame, f"write_{path.suffix[1:]}")(path)


def users(importer: Importer) -> list[str]:
    data = importer.run()
    assert data.summary["rejected"] == {}
    found: list[str] = data.users["user_id"].to_list()
    return found


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("folder", ["{t}", "{t}.{k}", "{t}-2024.{k}"])
def test_a_table_may_be_a_folder_of_parts(importer: Importer, kind: str, folder: str) -> None:
    for table, rows in (("interactions", EVENTS), ("items", ITEMS)):
        home = importer.source / folder.format(t=table, k=kind)
        for place, part in enumerate((rows[:2], rows[2:])):
            write(pl.DataFrame(part), home / f"part-{place:05}.snappy.{kind}")
        (home / "_SUCCESS").write_text("")
        (home / f".part-00000.{kind}.crc").write_text("")
    assert users(importer) == ["u", "v"]


def test_a_part_without_a_line_has_no_rows(importer: Importer) -> None:
    importer.write(EVENTS)
    (importer.source / "interactions.parquet").unlink()
    home = importer.source / "interactions"
    write(pl.DataFrame(EVENTS), home / "part-0.csv")
    for name in ("part-1.csv", "part-2.csv.gz"):
        (home / name).write_bytes(b"")
    assert users(importer) == ["u", "v"]
    (home / "part-0.csv").write_bytes(b"\n")
    with pytest.raises(DataError, match="is empty"):
        importer.run()


def test_a_part_without_a_header_is_told(importer: Importer) -> None:
    importer.write(EVENTS)
    (importer.source / "interactions.parquet").unlink()
    home = importer.source / "interactions"
    write(pl.DataFrame(EVENTS), home / "part-0.csv")
    pl.DataFrame(EVENTS).write_csv(home / "part-1.csv", include_header=False)
    with pytest.raises(DataError, match=r"part-1\.csv names no column of interactions in its first line"):
        importer.run()


def test_blank_lines_before_the_names_are_passed_over(importer: Importer) -> None:
    importer.write(EVENTS)
    (importer.source / "items.parquet").unlink()
    importer.write_text("items.csv", "\n \n" + pl.DataFrame(ITEMS).write_csv())
    assert users(importer) == ["u", "v"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("interactions.csv", gzip.compress(b"a", mtime=0), "packed by gzip: let its name end in .csv.gz"),
        ("interactions.csv", b"PAR1" + bytes(20), "Parquet: let its name end in .parquet"),
        ("interactions.csv", b"PK\x03\x04" + bytes(20), "a zip file: unpack it"),
        ("interactions.csv.zip", b"PK", "'interactions.csv.zip' should be .parquet, .csv or .csv.gz"),
        ("interactions/part-00000", b"user_id", "'interactions/part-00000' should be .parquet, .csv or .csv.gz"),
    ],
    ids=["gzip", "Parquet", "zip", "zip by its name", "a part without an ending"],
)
def test_a_file_of_another_kind_is_told(importer: Importer, name: str, content: bytes, told: str) -> None:
    importer.write(EVENTS)
    (importer.source / "interactions.parquet").unlink()
    path = importer.source / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(told)):
        importer.run()


@pytest.mark.parametrize("blank", ["\t", "\u200b", "\ufeff", "\u00a0", "\u3000", "\n"])
def test_blanks_of_all_kinds_around_ids_are_cut(importer: Importer, blank: str) -> None:
    events = [one | {"user_id": f"{blank}u{blank}", "item_id": f"{one['item_id']}{blank}"} for one in EVENTS]
    importer.write(events, items=[row | {"item_type": f"{row['item_type']}{blank}"} for row in ITEMS])
    assert users(importer) == ["u"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_in_folder_names(importer: Importer, kind: str) -> None:
    importer.write()
    for user, rows in (("a%20b", EVENTS[:2]), ("v", EVENTS[2:])):
        part = pl.DataFrame(rows).drop("user_id", "item_type")
        home = importer.source / "interactions" / "day=3" / "item_type=audiobook" / f"user_id={user}"
        write(part, home / f"part-0.{kind}")
    (importer.source / "interactions.parquet").unlink()
    assert users(importer) == ["a b", "v"]


def test_a_column_in_the_file_wins_over_the_folder(importer: Importer) -> None:
    importer.write()
    (importer.source / "interactions.parquet").unlink()
    write(pl.DataFrame(EVENTS), importer.source / "interactions" / "user_id=other" / "part-0.parquet")
    assert users(importer) == ["u", "v"]


def test_links_to_files_and_folders_are_followed(importer: Importer, tmp_path: Path) -> None:
    importer.write()
    elsewhere = tmp_path / "elsewhere"
    write(pl.DataFrame(EVENTS), elsewhere / "parts" / "a.parquet")
    write(pl.DataFrame([event(user_id="w")]), tmp_path / "single.parquet")
    (importer.source / "interactions.parquet").unlink()
    (elsewhere / "loop").symlink_to(elsewhere, target_is_directory=True)
    (elsewhere / "b.parquet").symlink_to(tmp_path / "single.parquet")
    (importer.source / "interactions").symlink_to(elsewhere, target_is_directory=True)
    assert users(importer) == ["u", "v", "w"]


NAMES = ["part[1]", "part*", "part?", "a,b", "{a,b}", "it's", "ü %20 #1", "two\nlines"]


@pytest.mark.parametrize("name", NAMES)
def test_a_working_folder_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    importer = Importer(tmp_path / name)
    importer.write()
    assert importer.out.is_relative_to(tmp_path / name)
    assert users(importer) == ["u"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_names_are_no_patterns(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / name).mkdir()
    importer = Importer(tmp_path / name)
    importer.out = tmp_path / "out"
    write(pl.DataFrame(ITEMS), importer.source / f"items.{kind}")
    for place, file in enumerate((name, "part1", "partx", "a", "b")):
        write(pl.DataFrame([event(user_id=f"u{place}")]), importer.source / "interactions" / f"{file}.{kind}")
    assert users(importer) == ["u0", "u1", "u2", "u3", "u4"]


def csv(rows: list[dict[str, Any]], **options: Any) -> str:
    text: str = pl.DataFrame(rows).write_csv(**options)
    return text


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "sep={}\n", "\ufeffsep={}\r\n", "\ufeff"])
def test_other_delimiters(importer: Importer, separator: str, start: str) -> None:
    for table, rows in (("interactions", [*EVENTS, event(user_id="x; y\tz|,")]), ("items", ITEMS)):
        importer.write_text(f"{table}.csv", start.format(separator) + csv(rows, separator=separator))
    assert users(importer) == ["u", "v", "x; y\tz|,"]


def test_a_line_behind_sep_has_its_number(importer: Importer) -> None:
    importer.write_text("items.csv", csv(ITEMS))
    importer.write_text("interactions.csv", "sep=;\n" + csv(EVENTS, separator=";") + "broken\n")
    assert pl.read_parquet(importer.run().root / "rejected.parquet")["line"].to_list() == [5]


@pytest.mark.parametrize("name", ["", "Unnamed: 0", " ", "Unnamed: 0_level_0"])
def test_a_row_index_without_a_name_is_left_out(importer: Importer, name: str) -> None:
    people = [{"user_id": "u", "age": 33}, {"user_id": "v", "age": 44}]
    for table, rows in (("interactions", EVENTS), ("items", ITEMS), ("users", people)):
        lines = csv(rows).splitlines()
        text = "\n".join([f"{name},{lines[0]},{name}", *(f"{place},{line},x" for place, line in enumerate(lines[1:]))])
        importer.write_text(f"{table}.csv", text)
    assert users(importer) == ["u", "v"]
    assert importer.run().users.columns == ["user", "user_id", "taste", "age"]


def test_a_row_index_in_parquet_is_no_feature(importer: Importer) -> None:
    importer.write(EVENTS, users=[{"user_id": "u", "age": 3, "__index_level_0__": 7}])
    assert importer.run().users.columns == ["user", "user_id", "taste", "age"]


def test_blanks_around_names_are_cut(importer: Importer) -> None:
    importer.write_text("items.csv", csv(ITEMS))
    importer.write_text("interactions.csv", csv(EVENTS).replace("user_id,item_id", " user_id , item_id", 1))
    assert users(importer) == ["u", "v"]


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz"])
def test_a_file_that_cannot_be_read_is_named(importer: Importer, kind: str) -> None:
    importer.write()
    (importer.source / "interactions.parquet").unlink()
    home = importer.source / "interactions"
    write(pl.DataFrame([EVENT]), home / f"a.{kind.split('.')[0]}")
    (home / f"b.{kind}").symlink_to("nowhere")
    with pytest.raises(DataError, match=rf"b\.{kind}"):
        importer.run()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_name_that_is_no_utf8_is_told(importer: Importer, kind: str) -> None:
    importer.write(EVENTS)
    write(pl.DataFrame(EVENTS), importer.source / f"interactions.{kind}")
    for old in set(importer.source.glob("interactions.*")) - {importer.source / f"interactions.{kind}"}:
        old.unlink()
    odd = os.fsdecode(b"interactions-\xff." + kind.encode())
    (importer.source / f"interactions.{kind}").rename(importer.source / odd)
    with pytest.raises(DataError, match=rf"interactions-\ufffd\.{kind} is not valid UTF-8: give the file another one"):
        importer.run()
