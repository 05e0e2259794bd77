"""Every type and notation that the contract claims gives the same value."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.listening.report import check_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import EVENT, ITEMS, Importer, event

NOON = datetime.datetime(2024, 1, 15, 12, tzinfo=datetime.UTC)
SECONDS = int(NOON.timestamp())
DAY = datetime.date(2024, 1, 15)
MIDNIGHT = SECONDS - 43_200

TIMES: dict[str, tuple[Any, int]] = {
    **{
        f"timestamp {unit} {zone}": (pa.array([NOON], pa.timestamp(unit, zone)), SECONDS)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Berlin", "+02:00")
    },
    **{f"seconds {kind}": (pa.array([SECONDS]).cast(kind), SECONDS)
       for kind in (pa.int32(), pa.int64(), pa.uint32(), pa.uint64(), pa.float64(), pa.decimal128(25, 3), pa.string(),
                    pa.large_string(), pa.string_view())},
    "seconds dictionary": (pa.array([str(SECONDS)]).dictionary_encode(), SECONDS),
    "milliseconds": (pa.array([SECONDS * 1000 + 7]), SECONDS),
    "milliseconds as text": (pa.array([str(SECONDS * 1000)]), SECONDS),
    "microseconds": (pa.array([SECONDS * 10**6 + 7]), SECONDS),
    "nanoseconds": (pa.array([SECONDS * 10**9 + 7]), SECONDS),
    "milliseconds double": (pa.array([SECONDS * 1000.0]), SECONDS),
    "date32": (pa.array([DAY], pa.date32()), MIDNIGHT),
    "date64": (pa.array([DAY], pa.date64()), MIDNIGHT),
    "day number": (pa.array([20240115]), MIDNIGHT),
    "day number as text": (pa.array(["20240115"]), MIDNIGHT),
    "day number double": (pa.array([20240115.0]), MIDNIGHT),
    "spreadsheet day": (pa.array([45306]), MIDNIGHT),
    "spreadsheet time": (pa.array([45306.5]), SECONDS),
    **{text: (pa.array([text]), SECONDS)
       for text in ("2024-01-15T12:00:00Z", "2024-01-15 12:00:00", "2024-01-15T14:00:00+02:00", f"{SECONDS}.0",
                    "2024-01-15T12:00:00.123456789Z", "2024-01-15 12:00:00 UTC")},
    "2024-01-15": (pa.array(["2024-01-15"]), MIDNIGHT),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMES)
def test_times(importer: Importer, name: str) -> None:
    times, expected = TIMES[name]
    importer.write()
    table = pa.Table.from_pylist([EVENT]).drop_columns("timestamp").append_column("timestamp", times)
    pq.write_table(table, importer.source / "interactions.parquet")
    data = importer.run()
    assert pl.read_parquet(data.interactions)["timestamp"].to_list() == [expected]
    other_unit = any(word in name for word in ("milli", "micro", "nano", "number", "spreadsheet"))
    assert len(data.summary["warnings"]) == other_unit + 1, "and one: no user has two items"


@pytest.mark.parametrize("order", [1, -1])
def test_files_of_one_table_may_differ_in_types(importer: Importer, order: int) -> None:
    importer.write()
    (importer.source / "interactions.parquet").unlink()
    numbers = pa.array([SECONDS])
    kinds: list[Any] = [numbers, numbers.cast(pa.float64()), pa.array([NOON], pa.timestamp("ns", "UTC")),
                        pa.array([DAY]), pa.array(["2024-01-15T12:00:00Z"]), pa.nulls(1)]  # fmt: skip
    (importer.source / "interactions").mkdir()
    for place, times in enumerate(kinds[::order]):
        rows = pa.Table.from_pylist([event(user_id=f"u{place}")]).drop_columns("timestamp")
        pq.write_table(rows.append_column("timestamp", times), importer.source / "interactions" / f"{place}.parquet")
    found = pl.read_parquet(importer.run().interactions)["timestamp"].to_list()
    assert found == [SECONDS, SECONDS, SECONDS, MIDNIGHT, SECONDS, None][::order]


YEAR, MONTH = datetime.date(2008, 1, 1), datetime.date(2008, 5, 1)
DATES: list[tuple[Any, datetime.date | None]] = [
    ("2008", YEAR), ("2008.0", YEAR), (" 2008 ", YEAR), ("2008-00-00", YEAR), (2008, YEAR), (2008.0, YEAR),
    (decimal.Decimal("2008.0"), YEAR), ("2008-05", MONTH), ("2008-05-00", MONTH), ("200805", MONTH), (200805, MONTH),
    ("2008-05-01", MONTH), ("2008/05/01", MONTH), ("20080501", MONTH), (20080501, MONTH), (20080501.0, MONTH),
    ("2008-05-01T10:00:00Z", MONTH), ("2008-05-01 10:00:00.5", MONTH), (39569, MONTH), ("39569", MONTH),
    (1_209_600_000, MONTH), ("1209600000000", MONTH), (1_209_600_000_000_000, MONTH), (MONTH, MONTH),
    (datetime.datetime(2008, 5, 1, 23), MONTH), (datetime.datetime(2008, 5, 1, 1, tzinfo=datetime.UTC), MONTH),
    ("180", datetime.date(180, 1, 1)), ("-720.0", None), (-720.0, None), ("2008-13-01", None), (20081301, None),
    ("sometime", None), ("infinity", None), ("99999-01-01", None), (0, None), (2008.5, None), ("1e300", None),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(("written", "read"), DATES)
def test_dates_cost_no_item(importer: Importer, kind: str, written: Any, read: datetime.date | None) -> None:
    rows = [*ITEMS, {"item_id": "dated", "item_type": "audiobook", "title": "x"}]
    frame = pl.DataFrame(rows).with_columns(published=pl.Series([None, None, None, written], strict=False))
    importer.write()
    (importer.source / "items.parquet").unlink()
    getattr(frame, f"write_{kind}")(importer.source / f"items.{kind}")
    data = importer.run()
    assert dict(data.items.select("item_id", "published").iter_rows())["dated"] == read
    assert data.summary["rejected"] == {}
    assert list(data.summary["unread"].values()) == ([] if read else [1])


TEXTS: dict[str, Callable[[], Any]] = {
    "list<null>": lambda: pa.array([[], [], []], pa.list_(pa.null())),
    "list of missing": lambda: pa.array([[None], None, []], pa.list_(pa.null())),
    "null": lambda: pa.nulls(3),
    "empty large list": lambda: pa.array([[], [], []], pa.large_list(pa.large_string())),
}


@pytest.mark.parametrize("name", TEXTS)
def test_lists_without_a_type_are_no_lists(importer: Importer, name: str) -> None:
    importer.write()
    pq.write_table(
        pa.Table.from_pylist(ITEMS).append_column("genres", TEXTS[name]()), importer.source / "items.parquet"
    )
    assert importer.run().items["genres"].to_list() == [None, None, None]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.string(), 2),
             pa.list_(pa.dictionary(pa.int32(), pa.string()))]
)  # fmt: skip
def test_lists_of_text(importer: Importer, kind: pa.DataType) -> None:
    importer.write()
    genres = pa.array([["a", "nan"], ["b", None], ["", "c"]], kind)
    pq.write_table(pa.Table.from_pylist(ITEMS).append_column("genres", genres), importer.source / "items.parquet")
    assert importer.run().items["genres"].to_list() == [["a"], ["b"], ["c"]]


def test_text_may_be_bytes(importer: Importer) -> None:
    importer.write()
    for name in ("interactions", "items"):
        table = pl.read_parquet(importer.source / f"{name}.parquet")
        table.with_columns(pl.col(pl.String).cast(pl.Binary)).write_parquet(importer.source / f"{name}.parquet")
    assert importer.run().items["title"].to_list() == ["A book", "Another book", "A show"]


def test_bytes_that_are_no_text_cost_what_they_stand_for(importer: Importer) -> None:
    importer.write()
    odd = b"caf\xe9"
    items = pl.DataFrame({
        "item_id": [b"book", b"other", b"show", odd], "item_type": ["audiobook", "audiobook", "podcast", "podcast"],
        "title": [b"A book", odd, b"", b"lost"],
    })  # fmt: skip
    items.write_parquet(importer.source / "items.parquet")
    found = check_data(str(importer.source), Settings.load(), Progress(quiet=True))
    assert found.unread == {r"title is not text: 'caf\xE9'": 1}
    assert found.rejected == {"item_id is not text": 1}
    assert importer.run().items["title"].to_list() == ["A book", None, None]


PACKED = [
    ("['Crime', 'Nordic noir']", ["Crime", "Nordic noir"]), ("('Crime', 'Nordic')", ["Crime", "Nordic"]),
    ("""['it\\'s "x"', "b's"]""", ['it\'s "x"', "b's"]), ("frozenset({'a', 'b'})", ["a", "b"]), ("('a',)", ["a"]),
    ("array(['Crime', 'b'], dtype='<U6')", ["Crime", "b"]), ("(Rock 'n' Roll)", ["(Rock 'n' Roll)"]),
    ('["a, b", "c"]', ["a, b", "c"]),
    ('["Children\'s", "x"]', ["Children's", "x"]), ("""["Children's", 'x']""", ["Children's", "x"]),
    ("['a' 'b']", ["a", "b"]), ("[a, b]", ["a", "b"]), ("{a,b}", ["a", "b"]), ('{"a, b",c}', ["a, b", "c"]),
    ('[{"id": 28, "name": "Action"}, {"id": 1, "name": "B"}]', ["Action", "B"]),
    ("[{'id': 28, 'name': \"Children's\"}]", ["Children's"]), ("a|b | ", ["a", "b"]), ("[]", None), ("{}", None),
    ("(no genres listed)", None), ("nan", None), (r"\N", None), ("a|NULL", ["a"]), ("O'Neil", ["O'Neil"]),
    ("a", ["a"]),
]  # fmt: skip


@pytest.mark.parametrize(("written", "read"), PACKED)
def test_lists_as_databases_and_data_frames_write_them(
    importer: Importer, written: str, read: list[str] | None
) -> None:
    importer.write(items=[{**row, "genres": written} for row in ITEMS])
    assert importer.run().items["genres"].to_list() == [read] * 3
