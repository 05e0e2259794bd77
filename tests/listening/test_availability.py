"""Where and when items may be shown: each row is kept or set aside, and none holds longer than meant."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from colisten.listening.data import AVAILABILITY, ListeningData
from colisten.listening.report import check_data
from colisten.listening.split import HoldOut, split_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import ITEMS, Importer, event

SONG = {"item_id": "song", "item_type": "music", "title": "A song"}
DAY = 86_400
MARCH = 1_772_323_200  # 2026-03-01T00:00:00Z
NOWHERE = (None, 0, 1)


def rows_of(data: ListeningData, item_id: str) -> list[tuple[Any, ...]]:
    item = data.items["item_id"].to_list().index(item_id)
    assert data.availability.schema == AVAILABILITY
    return data.availability.filter(item=item).select("country", "from", "until").rows()


def csv(importer: Importer, *rows: str, header: str = "item_id,country,from,until") -> ListeningData:
    importer.write([event(), event(item_id="other")], [*ITEMS, SONG])
    importer.write_text("availability.csv", "\n".join([header, *rows, ""]))
    return importer.run("taste_types=music")


@pytest.mark.parametrize(
    ("word", "begin", "end"),
    [
        ("2026-03-01", MARCH, MARCH + DAY),  # a day counts whole
        ("20260301", MARCH, MARCH + DAY),
        ("2026-03-01T00:00:00Z", MARCH, MARCH),
        ("2026-03-01 01:00:00+01:00", MARCH, MARCH),
        (str(MARCH), MARCH, MARCH),
        ("9999-12-31", 253_402_214_400, 253_402_300_800),
        ("", None, None),
    ],
)
def test_times_and_days(importer: Importer, word: str, begin: int | None, end: int | None) -> None:
    data = csv(importer, f"book,,{word},", f"other,NA,,{word}", "show, US ,1,2")
    assert rows_of(data, "book") == [(None, begin, None)]
    assert rows_of(data, "other") == [("NA", None, end)]  # Namibia
    assert rows_of(data, "show") == [("US", 1, 2)]
    assert data.summary["rejected"] == {}
    assert data.summary["counts"]["availability"] == 3


def test_types_of_parquet_say_the_same_as_text(importer: Importer) -> None:
    for edge, begin, end in (
        (date(2026, 3, 1), MARCH, MARCH + DAY),
        (datetime(2026, 3, 1, tzinfo=UTC), MARCH, MARCH),
        (float(MARCH), MARCH, MARCH),
    ):
        frame = pl.DataFrame({"item_id": ["book", "show"], "from": [edge, None], "until": [None, edge]})
        frame.write_parquet(importer.source / "availability.parquet")
        data = importer.write([event(), event(item_id="other")]).run()
        assert (rows_of(data, "book"), rows_of(data, "show")) == ([(None, begin, None)], [(None, None, end)])


@pytest.mark.parametrize(
    ("row", "reason", "left"),
    [
        (",US,,", "item_id is missing", None),
        ("gone,US,,", "item_id is not in the catalogue", None),
        ("song,US,,", "item_id is of a taste type, which is never recommended", None),
        ("book,US,soon,", "from is not seconds, a time or a day", "book"),
        ("book,US,,1772323200000", "until is not seconds, a time or a day", "book"),
        ("book,US,2026-03-02,2026-03-01", "until is not after from", "book"),
        ("other,US,1,2", "the same row was there before", None),
    ],
)
def test_a_bad_row_is_set_aside_and_opens_nothing(importer: Importer, row: str, reason: str, left: str | None) -> None:
    data = csv(importer, "other,US,1,2", "other,,2026-03-01,2026-03-01", row)
    assert data.summary["rejected"] == {reason: 1}
    assert pl.read_parquet(data.root / "rejected.parquet")["line"].to_list() == [3]
    assert rows_of(data, "other") == [(None, MARCH, MARCH + DAY), ("US", 1, 2)]
    assert rows_of(data, "book") == ([NOWHERE] if left else [])
    assert any("shown nowhere" in warning for warning in data.summary["warnings"]) == bool(left)
    report = check_data(str(importer.source), Settings.load(["taste_types=music"]), Progress(quiet=True))
    assert (report.rows["availability"], report.rejected) == (3, {reason: 1})


def test_other_rows_of_an_item_still_hold(importer: Importer) -> None:
    data = csv(importer, "book,US,soon,", "book,SE,1,")
    assert rows_of(data, "book") == [("SE", 1, None)]
    assert not any("nowhere" in warning for warning in data.summary["warnings"])


def test_the_table_is_no_part_of_what_is_learned_from(importer: Importer) -> None:
    without = importer.write([event(), event(item_id="other")], [*ITEMS, SONG]).run("taste_types=music")
    digest = without.digest()
    assert without.availability.schema == AVAILABILITY
    assert without.availability.is_empty()
    assert csv(importer, "book,US,,").digest() == digest


def test_a_split_passes_it_on(importer: Importer, tmp_path: Path) -> None:
    csv(importer, "book,US,2026-03-01,")
    importer.write([event(user_id=user, item_id=item) for user in "uvw" for item in ("book", "other")])
    split_data(str(importer.source), tmp_path / "S", Settings.load(["taste_types=music"]), HoldOut(0.5, 0))
    assert pl.read_parquet(tmp_path / "S/train/availability.parquet")["item_id"].to_list() == ["book"]
