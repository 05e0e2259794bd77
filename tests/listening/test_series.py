"""Items of a series: name and position are read, kept for life, and are no text of the item."""

from __future__ import annotations

import decimal
import unicodedata
from typing import Any

import polars as pl
import pytest

from colisten.text.encoding import item_texts
from tests.listening.sources import ITEMS, Importer, event

NAMES: list[tuple[Any, str | None]] = [
    ("Earthsea", "Earthsea"), (" Earthsea ", "Earthsea"), (unicodedata.normalize("NFD", "Été"), "Été"), (87, "87"),
    ("", None), (" ", None), ("nan", None), (None, None),
]  # fmt: skip
POSITIONS: list[tuple[Any, float | None]] = [
    (2, 2), (2.5, 2.5), ("2.5", 2.5), (decimal.Decimal("0.5"), 0.5), ("", None), (float("nan"), None), (None, None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "read"), NAMES)
def test_names(importer: Importer, given: object, read: str | None) -> None:
    items = importer.write(items=[row | {"series": given} for row in ITEMS]).run().items
    assert items["series"].to_list() == [read] * 3
    assert items.schema["series"] == pl.String


@pytest.mark.parametrize(("given", "read"), POSITIONS)
def test_positions(importer: Importer, given: object, read: float | None) -> None:
    data = importer.write(items=[row | {"series": "S", "series_position": given} for row in ITEMS]).run()
    assert data.items["series_position"].to_list() == [read] * 3
    assert data.items.schema["series_position"] == pl.Float32
    assert data.summary["unread"] == {}


@pytest.mark.parametrize("odd", ["third", float("inf")])
def test_a_position_that_is_no_number_is_missing_and_counted(importer: Importer, odd: object) -> None:
    items = [row | {"series_position": value} for row, value in zip(ITEMS, (str(odd), "1", "2"), strict=True)]
    data = importer.write(items=items).run()
    assert data.items["series_position"].to_list() == [None, 1, 2]
    assert data.summary["unread"] == {f"series_position is not a finite number: '{odd}'": 1}


def test_they_are_kept_when_the_item_goes_and_replaced_when_it_comes_again(importer: Importer) -> None:
    volumes = [row | {"series": "S", "series_position": place} for place, row in enumerate(ITEMS, 1)]
    importer.write([event(), event(item_id="other")], items=volumes).run()
    renamed = [row | {"series": "T"} for row in volumes[:2]]
    items = importer.write(items=renamed).run().items
    assert items.select("series", "series_position", "retired").rows() == [
        ("T", 1, False), ("T", 2, False), ("S", 3, True),
    ]  # fmt: skip


def test_they_are_no_text_of_the_item(importer: Importer) -> None:
    texts = item_texts(importer.write().run())
    volumes = [row | {"series": "S", "series_position": 1} for row in ITEMS]
    assert item_texts(importer.write(items=volumes).run()) == texts
