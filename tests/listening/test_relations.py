"""The platform's own relations between items: each row is kept or set aside with its reason, none is lost later."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.listening.data import ListeningData
from colisten.listening.forgetting import forget_user
from colisten.listening.other_interactions import with_interactions
from colisten.listening.report import check_data
from colisten.listening.split import HoldOut, split_data
from colisten.pipeline.listening import STAGE
from colisten.pipeline.stage import Context
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.listening.sources import ITEMS, Importer, event

DECLARED = "graph.relations=same_series,sequel_of:directed,editors_list:5"
ROW = {"src_item_id": "book", "dst_item_id": "other", "relation": "sequel_of", "weight": 0.5}
SONG = {"item_id": "song", "item_type": "music", "title": "A song"}
SCHEMA = {"src_item_id": pl.String, "dst_item_id": pl.String, "relation": pl.String, "weight": pl.Float64}
STORED = {"src": pl.Int32, "dst": pl.Int32, "relation": pl.String, "weight": pl.Float32}
SAME = "the same relation of the same items is there with at least this weight"


def related(**changes: Any) -> dict[str, Any]:
    """A relation that can be imported, but for the changes."""
    return ROW | changes


def write(importer: Importer, *rows: Mapping[str, Any]) -> Importer:
    pl.DataFrame(rows, SCHEMA).write_parquet(importer.source / "relations.parquet")
    return importer.write([event(), event(item_id="other")])


def named(data: ListeningData) -> list[tuple[str, str, str, float]]:
    ids = data.items["item_id"]
    return [(ids[src], ids[dst], relation, weight) for src, dst, relation, weight in data.relations.iter_rows()]


BAD = [
    ({"src_item_id": None}, "src_item_id is missing"),
    ({"dst_item_id": " "}, "dst_item_id is missing"),
    ({"relation": None}, "relation is missing"),
    ({"dst_item_id": "b" * 8165}, "dst_item_id is longer than 8,164 bytes"),
    ({"weight": float("inf")}, "weight is not a finite number"),
    ({"weight": 0.0}, "weight is not above 0 and at most 1"),
    ({"weight": 1.5}, "weight is not above 0 and at most 1"),
    ({"weight": 1e-60}, "weight is not above 0 and at most 1"),
    ({"relation": "co_listened"}, "relation has the name of a built-in one"),
    ({"relation": "same_series"}, "relation has the name of a built-in one"),
    ({"relation": "same_creator"}, "relation has the name of a built-in one"),
    ({"relation": "similar_text"}, "relation has the name of a built-in one"),
    ({"relation": "Sequel of"}, "relation is not a word of small letters, digits and underscores"),
    ({"relation": "prequel_of"}, "relation is not declared in graph.relations"),
    ({"src_item_id": "nowhere"}, "src_item_id is not in the catalogue"),
    ({"dst_item_id": "nowhere"}, "dst_item_id is not in the catalogue"),
    ({"dst_item_id": "song"}, "dst_item_id is of a taste type, which is not in the graph"),
    ({"dst_item_id": "book"}, "an item is related to itself"),
    ({"weight": 0.25}, SAME),
    ({}, SAME),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_a_bad_row_is_set_aside_with_its_place(importer: Importer, change: dict[str, Any], reason: str) -> None:
    write(importer, related(), related(dst_item_id="show"), related(**change)).write(items=[*ITEMS, SONG])
    data = importer.run(DECLARED, "taste_types=music")
    assert named(data) == [("book", "other", "sequel_of", 0.5), ("book", "show", "sequel_of", 0.5)]
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    assert rejected.select("line", "reason").rows() == [(3, reason)]
    assert Path(rejected["file"][0]).name == "relations.parquet"
    assert data.summary["rejected"] == {reason: 1}
    assert data.summary["counts"]["relations"] == 2


def test_the_file_is_there_without_the_table(importer: Importer) -> None:
    data = importer.write().run()
    assert data.relations.schema == STORED
    assert data.relations.is_empty()
    assert data.summary["counts"]["relations"] == 0


def test_no_weight_is_a_weight_of_one(importer: Importer) -> None:
    importer.write().write_text("relations.csv", "src_item_id,dst_item_id,relation\nother,book,sequel_of\n")
    assert named(importer.run(DECLARED)) == [("other", "book", "sequel_of", 1.0)]
    importer.write_text(
        "relations.csv", "weight,relation,src_item_id,dst_item_id\n,sequel_of,other,book\n0.5,sequel_of,other,book\n"
    )
    data = importer.run(DECLARED)
    assert named(data) == [("other", "book", "sequel_of", 1.0)]
    assert data.summary["rejected"] == {SAME: 1}


rows = st.fixed_dictionaries({
    "src_item_id": st.sampled_from(["book", "other", "show", " show ", "gone", None]),
    "dst_item_id": st.sampled_from(["book", "other", "show", "gone", None]),
    "relation": st.sampled_from(["sequel_of", "sequel_of", "editors_list", "prequel_of", "co_listened", None]),
    "weight": st.none() | st.sampled_from([-1.0, 0.0, 2.0, 0.25, 0.5, 1.0]) | st.floats(0, 1),
})  # fmt: skip


def expected(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], float]:
    """The greatest weight of each usable (source, destination, relation), row by row."""
    kept: dict[tuple[str, str, str], float] = {}
    for row in rows:
        src, dst, relation = ((row[name] or "").strip() for name in ("src_item_id", "dst_item_id", "relation"))
        weight = float(np.float32(1.0 if row["weight"] is None else row["weight"]))
        known = {src, dst} <= {"book", "other", "show"} and src != dst
        if known and relation in {"sequel_of", "editors_list"} and 0 < weight <= 1:
            kept[src, dst, relation] = max(weight, kept.get((src, dst, relation), 0))
    return kept


@settings(max_examples=8)
@given(generated=st.lists(rows, min_size=5, max_size=60))
def test_rows_are_kept_with_their_greatest_weight_or_set_aside(generated: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        importer = Importer(Path(folder))
        data = write(importer, *generated).run(DECLARED)
        assert {(src, dst, relation): weight for src, dst, relation, weight in named(data)} == expected(generated)
        found = data.relations
        assert found.schema == STORED
        assert found.equals(found.unique(["src", "dst", "relation"]).sort("relation", "src", "dst"))
        rejected = pl.read_parquet(data.root / "rejected.parquet").select("line", "reason")
        assert rejected["line"].is_unique().all()
        assert len(found) + len(rejected) == len(generated)

        (importer.source / "relations.parquet").unlink()
        importer.write_text("relations.csv", pl.DataFrame(generated, SCHEMA).write_csv())
        twin = importer.run(DECLARED)
        assert twin.relations.equals(found)
        again = pl.read_parquet(twin.root / "rejected.parquet").select("line", "reason")
        assert again.equals(rejected)


def as_parts(folder: Path) -> None:
    """A file for each relation, which stands in the folder's name only."""
    for relation in ("sequel_of", "editors_list"):
        part = pl.DataFrame([related(relation=relation), related(src_item_id="show")], SCHEMA).drop("relation")
        path = folder / "relations" / f"relation={relation}"
        path.mkdir(parents=True)
        part.write_csv(path / "part-0.csv")


def as_parquet(folder: Path) -> None:
    pl.DataFrame(
        [related(relation=name, src_item_id=src) for name in ("editors_list", "sequel_of") for src in ("book", "show")]
    ).write_parquet(folder / "relations-0001.parquet")


@pytest.mark.parametrize("write_table", [as_parts, as_parquet])
def test_it_is_read_in_the_forms_of_other_tables(importer: Importer, write_table: Callable[[Path], None]) -> None:
    write_table(importer.write().source)
    wanted = [(src, "other", name, 0.5) for name in ("editors_list", "sequel_of") for src in ("book", "show")]
    assert named(importer.run(DECLARED)) == wanted
    store = fsspec.filesystem("memory")
    store.put(str(importer.source), "/bucket/related", recursive=True)
    try:
        assert named(importer.run(DECLARED, source="memory://bucket/related")) == wanted
    finally:
        store.rm("/bucket", recursive=True)


def test_undeclared_relations_are_counted_and_the_check_says_how_to_declare_them(importer: Importer) -> None:
    listed = related(relation="editors_list")
    write(importer, related(relation="prequel_of"), listed, listed | {"src_item_id": "show"})
    report = check_data(str(importer.source), Settings.load(), Progress(quiet=True))
    assert report.rows["relations"] == 3
    assert report.relations == {}
    assert report.rejected == {"relation is not declared in graph.relations": 3}
    warning = next(sentence for sentence in report.warnings if "relations" in sentence)
    assert "'editors_list' (2 rows), 'prequel_of' (1 rows)" in warning
    (advice,) = re.findall(r"--set (\S+)\.$", warning)
    followed = check_data(str(importer.source), Settings.load([advice]), Progress(quiet=True))
    assert followed.relations == {"editors_list": 2, "prequel_of": 1}
    assert followed.rejected == {}
    assert not [sentence for sentence in followed.warnings if "relations" in sentence]


def test_of_many_undeclared_relations_the_most_frequent_are_named(importer: Importer) -> None:
    write(importer, related(relation="r9"), *(related(relation=f"r{place}") for place in range(10)))
    warning = next(sentence for sentence in importer.run().summary["warnings"] if "relations" in sentence)
    assert "has 'r9' (2 rows), 'r0' (1 rows)" in warning
    assert "'r3' (1 rows) and 5 more, which" in warning
    assert warning.endswith("=same_series,same_creator,similar_text,r9,r0,r1,r2,r3.")


def test_a_declared_relation_needs_no_row(importer: Importer) -> None:
    assert importer.write().run(DECLARED).summary["rejected"] == {}


def test_the_next_day_has_the_numbers_of_the_first(importer: Importer) -> None:
    first = write(importer, related(), related(src_item_id="show")).run(DECLARED)
    numbers = dict(first.items.select("item_id", "item").iter_rows())
    newcomer = {"item_id": "a new one", "item_type": "audiobook", "title": "x"}
    rows = [related(), related(src_item_id="show"), related(src_item_id="a new one")]
    data = write(importer, *rows).write([event()], [ITEMS[0], ITEMS[1], newcomer]).run(DECLARED)
    assert data.relations.select("src", "dst").rows() == [(numbers["book"], numbers["other"]), (3, numbers["other"])]
    assert data.summary["rejected"] == {"src_item_id is not in the catalogue": 1}, "retired items have no relation"


def test_relations_stay_with_whatever_is_made_of_the_data(importer: Importer, tmp_path: Path) -> None:
    importer.write([event(user_id=user, item_id=item) for user in "uvw" for item in ("book", "other")])
    pl.DataFrame([related(weight=None), related(src_item_id="gone")]).write_parquet(
        importer.source / "relations.parquet"
    )
    data = importer.run(DECLARED)
    split_data(str(importer.source), tmp_path / "S", Settings.load(), HoldOut(0.5, 0))
    source = pl.read_parquet(importer.source / "relations.parquet")
    assert pl.read_parquet(tmp_path / "S/train/relations.parquet").equals(source)
    (tmp_path / "earlier").mkdir()
    earlier = with_interactions(data, pl.scan_parquet(data.interactions).head(1), tmp_path / "earlier")
    assert earlier.relations.equals(data.relations)
    forget_user(data.root, "v")
    left = ListeningData(data.root)
    assert left.users["user_id"].to_list() == ["u", "w"]
    assert left.relations.equals(data.relations)
    assert left.summary["counts"]["relations"] == len(data.relations) == 1


def test_another_relation_is_another_input_of_the_stage(importer: Importer, tmp_path: Path) -> None:
    workdir = Workdir.open(tmp_path / "W", create=True)
    context = Context(workdir, Settings.load(), Progress(quiet=True), str(importer.write().source))
    without = STAGE.other_inputs(context)
    write(importer, related())
    assert STAGE.other_inputs(context) != without
    declared = replace(context, settings=Settings.load([DECLARED]))
    assert STAGE.inputs(declared.settings) != STAGE.inputs(context.settings)
