"""The report of `data check` against data whose figures are known."""

from __future__ import annotations

import pytest

from colisten.listening.report import check_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import Importer, event


def test_the_report_counts_what_is_there(importer: Importer) -> None:
    importer.write(
        [event(timestamp=5), event(user_id="v", item_id="show", item_type="podcast", timestamp=9),
         event(user_id="v", signal="follow", timestamp=None), event(item_id="gone"),
         event(signal="skip")],
        users=[{"user_id": "u", "age": 3}, {"user_id": "w", "age": 4}, {"user_id": None, "age": 4}],
    )  # fmt: skip
    before = sorted(importer.source.parent.rglob("*"))
    report = check_data(str(importer.source), Settings.load(["signals.ignored=skip"]), Progress(quiet=True))
    assert report.rows == {"interactions": 5, "items": 3, "users": 3, "relations": 0, "availability": 0}
    assert report.users == 3
    assert report.items == {"audiobook": 2, "podcast": 1}
    assert report.interactions == {"audiobook": 2, "podcast": 1}
    assert report.signals == {"stream": 2, "follow": 1}
    assert (report.first, report.last, report.ignored) == (5, 9, 1)
    assert report.rejected == {"item_id is not in the catalogue": 1, "user_id is missing": 1}
    assert report.health == pytest.approx({
        "items without title": 0, "items without description": 1, "items without genres": 1,
        "items without interactions": 1 / 3, "users with a single item": 1 / 2, "interactions without time": 1 / 3,
        "interactions of the largest type": 2 / 3,
    })  # fmt: skip
    assert sorted(importer.source.parent.rglob("*")) == before


def test_it_counts_broken_csv_rows_as_read(importer: Importer) -> None:
    importer.write_text("items.csv", "item_id,item_type,title\nbook,audiobook,A\nbroken\n")
    importer.write_text("interactions.csv", "user_id,item_id,item_type,signal,timestamp\nu,book,audiobook,stream,\n")
    report = check_data(str(importer.source), Settings.load(), Progress(quiet=True))
    assert report.rows == {"interactions": 1, "items": 2, "users": 0, "relations": 0, "availability": 0}
    assert (report.first, report.last) == (None, None)
