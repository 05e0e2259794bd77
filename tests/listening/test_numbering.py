"""Item numbers and rows are assigned once and kept for life."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colisten.listening.data import ListeningData
from colisten.workdir import replacing_folder
from tests.listening.sources import Importer, event


def item(name: str, kind: str, title: str = "x") -> dict[str, str]:
    return {"item_id": name, "item_type": kind, "title": title}


def numbers(data: ListeningData) -> dict[str, tuple[int, int, bool]]:
    return {row["item_id"]: (row["item"], row["row"], row["retired"]) for row in data.items.iter_rows(named=True)}


def test_three_imports(importer: Importer) -> None:
    first = importer.write(items=[item("book", "audiobook"), item("m", "podcast"), item("z", "audiobook")]).run()
    assert numbers(first) == {"book": (0, 0, False), "z": (1, 1, False), "m": (2, 0, False)}

    second = importer.write(
        items=[
            item("book", "audiobook", "new title"),
            item("a", "podcast"),
            item("a2", "article"),
            item("b", "audiobook"),
        ]
    ).run()
    assert numbers(second) == {
        "book": (0, 0, False), "z": (1, 1, True), "m": (2, 0, True),
        "a2": (3, 0, False), "b": (4, 2, False), "a": (5, 1, False),
    }  # fmt: skip
    assert second.items["title"].to_list()[:2] == ["new title", "x"]
    assert second.item_types == ("audiobook", "podcast", "article")
    assert second.type_of.tolist() == [0, 0, 1, 2, 0, 1]

    third = importer.write(items=[item("z", "audiobook"), item("book", "audiobook"), item("c", "podcast")]).run()
    assert numbers(third) | {"z": (1, 1, False), "book": (0, 0, False), "c": (6, 2, False)} == numbers(third)
    assert third.items["item"].to_list() == list(range(7))
    rows = third.items.group_by("item_type").agg(pl.col("row").sort())
    assert all(list(row) == list(range(len(row))) for row in rows["row"])


def test_an_item_that_changes_its_type_is_rejected(importer: Importer) -> None:
    importer.write().run()
    data = importer.write(items=[item("book", "audiobook"), item("show", "audiobook")]).run()
    assert numbers(data)["show"] == (2, 0, True)
    assert data.summary["rejected"] == {
        "item_type is another than in an earlier import (a new type needs a new item_id)": 1
    }


def test_interactions_with_retired_items_are_rejected(importer: Importer) -> None:
    events = [event(), event(item_id="other")]
    importer.write(events).run()
    data = importer.write(events, items=[item("book", "audiobook")]).run()
    assert data.summary["rejected"] == {"item_id is not in the catalogue": 1}


def test_a_kill_between_the_two_renames_loses_no_number(importer: Importer) -> None:
    before = numbers(importer.write().run())
    importer.out.rename(importer.out.with_name(f".colisten-{importer.out.name}.old"))
    importer.write(items=[item("book", "audiobook"), item("a", "audiobook")])
    assert {"book": before["book"], "a": (3, 2, False)}.items() <= numbers(importer.run()).items()


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with replacing_folder(tmp_path / "x") as draft:
            (draft / content).write_text(content)
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
