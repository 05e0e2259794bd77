"""Tables of listening data as files, damaged at random: what the fuzzing campaign feeds to an import.

Every row has a key of its own, so that it can be told which of those that nothing was done to came through.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ITEMS, KINDS = 40, ("audiobook", "podcast")
Row = dict[str, str]
NOTES = ("", "plain", "with, comma", 'with "quotes"', "over\ntwo lines", "ümläut – ☃", " padded ", "a;b|c\td")
SPOILING = (
    '"', '""', '",', ',"', ",", "\n", "\r", "\r\n", "\\", '\\"', "\0", "\x1a", "é", ";", "\t", " ", "'", "\ufeff", "#",
    "NULL", "nan", "1e400", "-1", "2024-01-01", "0x1F", "[", "{", "\u2028", "x" * 3000,
)  # fmt: skip
VALUES = (
    "",
    "NULL",
    "nan",
    "-1",
    "1e400",
    "20240115",
    "2024-01-15T10:00:00Z",
    "0.5",
    "['a', 'b']",
    "[1, 2]",
    "☃",
    "\n",
)

WHOLE = (*["plain"] * 12, "bom", "utf-16", "gzip")
"""As programs write it."""
BROKEN = ("bad gzip", "bad byte", "cut")
DELIMITERS = (",", ",", ",", ";", "\t", "|")


@dataclass(frozen=True)
class Dialect:
    """How the files of a batch are written: with a delimiter, in one of these ways."""

    delimiter: str
    ways: Sequence[str]


@dataclass
class Input:
    """A file and what is known of it."""

    path: Path
    keys: set[str] = field(default_factory=set)
    """Keys of the rows that nothing was done to."""
    rows: int | None = None
    """All rows, where nothing makes it a matter of opinion what a row is."""


def base_rows(table: str, number: int, drawn: random.Random) -> list[Row]:
    """Rows that can all be imported; their keys are of this file alone."""
    rows = []
    for place in range(drawn.randrange(2, 30)):
        key, item = f"{number}x{place}", drawn.randrange(ITEMS)
        if table == "interactions":
            row = {"user_id": key, "item_id": f"item{item}", "item_type": KINDS[item % 2], "signal": "stream"}
            row |= {"timestamp": str(1_700_000_000 + place), "value": str(drawn.randrange(100))}
        elif table == "items":
            row = {"item_id": key, "item_type": drawn.choice(KINDS), "title": drawn.choice(NOTES) or "T"}
            row |= {"description": drawn.choice(NOTES), "language": "en", "genres": drawn.choice(["", "crime", "a|b"])}
            row |= {"published": drawn.choice(["", "2020-05-01", "1999"]), "series": "", "series_position": ""}
        elif table == "users":
            row = {"user_id": key, "taste": "[0.5, 1]", "age": str(drawn.randrange(99)), "city": drawn.choice(NOTES)}
        elif table == "availability":
            row = {"item_id": f"item{place}", "country": key, "from": "2024-01-31", "until": "1900000000"}
        else:
            row = {"src_item_id": f"item{place}", "dst_item_id": f"item{ITEMS - 1}", "relation": f"mood{number}"}
            row |= {"weight": "0.5"}
        rows.append(row | ({} if table == "users" else {"note": drawn.choice(NOTES)}))
    return rows


def key_of(table: str, row: Row) -> str:
    """What tells a row from all others."""
    return f"{row['relation']} {row['src_item_id']}" if table == "relations" else row[KEYS[table]]


KEYS = {
    "interactions": "user_id",
    "items": "item_id",
    "users": "user_id",
    "relations": "relation || ' ' || src_item_id",
    "availability": "country",
}
"""The key, as SQL on the checked table."""


def write_csv(table: str, rows: Sequence[Row], path: Path, dialect: Dialect, drawn: random.Random) -> Input:
    """A CSV file with some of its records spoilt."""
    quoting = drawn.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    names, end = list(rows[0]), drawn.choice(["\n", "\n", "\r\n"])
    comma = dialect.delimiter
    records = [_record(row.values(), quoting, comma, end) for row in rows]
    untouched = set(range(len(rows)))
    for _ in range(drawn.choice([0, 1, 1, 1, 2, 3, 8])):
        place = drawn.randrange(len(records))
        if records[place]:
            records[place] = drawn.choice(_SPOIL)(records[place], comma, drawn)
        untouched.discard(place)
        if not records[place].endswith("\n"):  # what follows is of its line
            untouched.discard(place + 1)
    whole = _record(names, quoting, comma, end) + "".join(records)
    plain = not {'"', "\r", "\0"} & set(whole.replace("\r\n", "\n")) and "\n\n" not in whole.replace("\r\n", "\n")
    found = Input(path, {key_of(table, rows[place]) for place in untouched}, whole.count("\n") - 1 if plain else None)
    if not whole.endswith("\n"):
        found.rows = None
    return _encoded(found, whole, drawn.choice(dialect.ways), drawn)


def _record(values: Any, quoting: int, comma: str, end: str) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=quoting, delimiter=comma, lineterminator=end).writerow(values)  # type: ignore[arg-type]
    return out.getvalue()


def _insert(record: str, _: str, drawn: random.Random) -> str:
    place = drawn.randrange(len(record))
    return record[:place] + drawn.choice(SPOILING) + record[place:]


def _delete(record: str, _: str, drawn: random.Random) -> str:
    place = drawn.randrange(len(record))
    return record[:place] + record[place + drawn.choice([1, 1, 1, 2, 10, 1000]) :]


def _repeat(record: str, _: str, drawn: random.Random) -> str:
    place, length = drawn.randrange(len(record)), drawn.randrange(1, 20)
    return record[:place] + record[place : place + length] * drawn.randrange(2, 5) + record[place + length :]


def _value(record: str, comma: str, drawn: random.Random) -> str:
    values = record.split(comma)
    values[drawn.randrange(len(values))] = drawn.choice(VALUES)
    return comma.join(values)


def _swap(record: str, comma: str, drawn: random.Random) -> str:
    values = record.rstrip("\r\n").split(comma)
    drawn.shuffle(values)
    return comma.join(values) + "\n"


_SPOIL: tuple[Callable[[str, str, random.Random], str], ...] = (
    _insert,
    _insert,
    _insert,
    _delete,
    _repeat,
    _value,
    _swap,
)


def _encoded(found: Input, whole: str, way: str, drawn: random.Random) -> Input:
    """Write it in one of the ways of `WHOLE` and `BROKEN`."""
    content = whole.encode("utf-16" if way == "utf-16" else "utf-8-sig" if way == "bom" else "utf-8")
    if way in ("gzip", "bad gzip"):
        found.path = found.path.with_name(f"{found.path.name}.gz")
        content = gzip.compress(content)[: None if way == "gzip" else -drawn.randrange(1, 20)]
    if way == "bad byte":
        place = drawn.randrange(len(content))
        content = content[:place] + drawn.choice([b"\xff", b"\x80", codecs.BOM_UTF16_LE]) + content[place:]
    if way == "cut":
        content = content[: drawn.randrange(len(content))]
    if way in ("bad byte", "cut"):
        found.keys, found.rows = set(), None
    found.path.write_bytes(content)
    return found


def write_parquet(table: str, rows: Sequence[Row], path: Path, drawn: random.Random) -> Input:
    """A Parquet file with some of its columns of other types."""
    columns: dict[str, pa.Array[Any]] = {
        name: pa.array([row[name] or None for row in rows], pa.string()) for name in rows[0]
    }
    touched = [name for name in columns if drawn.random() < 0.3]
    for name in touched:
        columns[name] = _another_type(len(rows), drawn)
    pq.write_table(pa.table(columns), path, compression=drawn.choice(["snappy", "zstd", "none"]))
    keys = set() if touched else {key_of(table, row) for row in rows}
    return Input(path, keys, len(rows))


def _another_type(count: int, drawn: random.Random) -> pa.Array[Any]:
    moment = datetime(2024, 1, 15, 10, tzinfo=UTC)
    stamps: list[pa.DataType] = [pa.timestamp("s"), pa.timestamp("us", "UTC"), pa.timestamp("ns")]
    makes: list[tuple[Callable[[], object], pa.DataType]] = [
        (lambda: drawn.randrange(-(2**63), 2**63), pa.int64()),
        (lambda: drawn.randrange(256), pa.uint8()),
        (lambda: drawn.choice([0.5, float("nan"), float("inf"), -1e300]), pa.float64()),
        (lambda: drawn.random() < 0.5, pa.bool_()),
        (lambda: moment, drawn.choice(stamps)),
        (lambda: moment.date(), pa.date32()),
        (lambda: moment.time(), pa.time64("us")),
        (lambda: drawn.choice(VALUES), pa.large_string()),
        (lambda: bytes(drawn.randrange(256) for _ in range(3)), pa.binary()),
        (lambda: Decimal(drawn.randrange(1000)), pa.decimal128(20, 2)),
        (lambda: [drawn.choice(VALUES)], pa.list_(pa.string())),
        (lambda: [drawn.random(), None], pa.list_(pa.float32())),
        (lambda: {"a": 1}, pa.struct([("a", pa.int32())])),
        (lambda: None, pa.null()),
        (lambda: drawn.choice(["a", "b"]), pa.dictionary(pa.int8(), pa.string())),
    ]
    make, kind = drawn.choice(makes)
    return pa.array([None if drawn.random() < 0.1 else make() for _ in range(count)], kind)


def spoil_bytes(found: Input, drawn: random.Random) -> Input:
    """Damage the bytes of a file: flipped, zeroed, cut off, repeated."""
    content = bytearray(found.path.read_bytes())
    for _ in range(drawn.choice([1, 1, 2, 5])):
        place, length = drawn.randrange(len(content)), drawn.choice([1, 1, 4, 64])
        match drawn.randrange(4):
            case 0:
                content[place] ^= 1 << drawn.randrange(8)
            case 1:
                content[place : place + length] = bytes(len(content[place : place + length]))
            case 2:
                del content[place : place + length]
            case _:
                content[place:place] = content[place : place + length]
        if not content:
            break
    found.path.write_bytes(content)
    return Input(found.path)
