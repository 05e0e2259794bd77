"""Repair of CSV files: other encodings and line ends, and quotes that are never closed, which swallow the rows behind.

A file that needs it is copied: UTF-8, lines that end in LF, and in place of every line with a broken quote a mark that
DuckDB rejects. Rows are found by one regular expression over many at once, which keeps to RFC 4180; where it stops, the
line is marked and the next one begins a row again.
"""

from __future__ import annotations

import codecs
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import duckdb

from colisten.listening.contract import literal, quoted
from colisten.listening.csv_dialect import Dialect, reading
from colisten.listening.files import Source, listed

_CHUNK = 1 << 24
_ROWS = 1000
"""Matched at once: what the expression engine keeps grows with them."""
MARK = "\x1a"
"""Begins a line that stands for one with a broken quote; its number follows."""


@dataclass(frozen=True)
class Readable:
    """A file as DuckDB is given it: the file itself, or a copy in which some lines are only `marked`."""

    path: str
    dialect: Dialect
    marked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    """What the bytes of a file tell."""

    quotes: bool
    backslashes: bool
    """Before quotes."""
    mixed: bool
    """Some lines end otherwise than others, or there is a CR within a line."""


def readable(db: duckdb.DuckDBPyConnection, source: Source, path: str, dialect: Dialect, scratch: Path) -> Readable:
    """The file if it is fine as it is, else a copy below `scratch` that holds all that can be read of it.

    Raises:
        DataError: the file cannot be read to its end.
    """
    with reading(path):
        seen = _look(source, path)
    if dialect.encoding == "utf-8" and not seen.mixed:
        ways = [dialect, *([replace(dialect, escape="\\")] if seen.backslashes else [])]
        fine = next((way for way in ways if not seen.quotes or not _is_damaged(db, path, way)), None)
        if fine:
            return Readable(path, fine)
    scratch.mkdir(exist_ok=True)
    place = len(list(scratch.iterdir()))
    draft, out = scratch / f"{place}.draft", scratch / f"{place}.csv"
    with reading(path), draft.open("wb") as file:
        for chunk in _with_line_feeds(source, path, dialect):
            file.write(chunk)
    marked = _mark(draft, out, dialect)
    draft.unlink()
    return Readable(str(out), dialect, marked)


def read_csv(paths: list[str], dialect: Dialect, rejects: str) -> str:
    """SQL of a scan of files of one dialect; what is no row of it goes to the tables `rejects` and `rejects`_scan."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in dialect.columns)
    return (
        f"read_csv({listed(paths)}, columns = {{{columns}}}, auto_detect = false, "
        f"delim = {literal(dialect.delimiter)}, quote = '\"', escape = {literal(dialect.escape)}, "
        f"header = true, skip = {dialect.before}, filename = true, hive_partitioning = false, store_rejects = true, "
        f"rejects_table = '{rejects}', rejects_scan = '{rejects}_scan')"
    )


def _look(source: Source, path: str) -> _Seen:
    quotes, backslashes, feeds, returns, both, last = False, False, 0, 0, 0, b""
    with source.system.open(path, "rb", compression="infer") as file:
        while chunk := file.read(_CHUNK):
            quotes, backslashes = quotes or b'"' in chunk, backslashes or b'\\"' in chunk
            feeds, returns = feeds + chunk.count(b"\n"), returns + chunk.count(b"\r")
            both += chunk.count(b"\r\n") + (last == b"\r" and chunk.startswith(b"\n"))
            last = chunk[-1:]
    return _Seen(quotes, backslashes, mixed=bool(feeds) and returns > 0 and not feeds == returns == both)


def _is_damaged(db: duckdb.DuckDBPyConnection, path: str, dialect: Dialect) -> bool:
    """Has a row of the file a broken quote, or does it hold what looks like further rows?"""
    shape = literal(r"\n" + _shape(dialect) + r"(\n|$)")
    inside = " OR ".join(f"regexp_matches({quoted(name)}, {shape})" for name in dialect.columns)
    broken_by = "error_type IN ('UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM') OR contains(csv_line, chr(10))"
    try:
        held = db.execute(f"SELECT count(*) FROM {read_csv([path], dialect, 'probe')} WHERE {inside}").fetchall()[0][0]
        broken = db.execute(f"SELECT count(*) FROM probe WHERE {broken_by}").fetchall()[0][0]
    except duckdb.InvalidInputException:
        return True
    finally:
        db.execute("DROP TABLE IF EXISTS probe; DROP TABLE IF EXISTS probe_scan")
    return bool(held or broken)


def _shape(dialect: Dialect) -> str:
    """A regular expression of a row without quotes; prose has blanks behind its commas."""
    comma, fields = _escaped(dialect), len(dialect.columns)
    value = rf'(?:[^\s{comma}"][^{comma}"\r\n]*)?'
    return rf"(?:{value}{comma}){{{max(1, fields - 1)}}}{value}"


def _escaped(dialect: Dialect) -> str:
    return r"\t" if dialect.delimiter == "\t" else re.escape(dialect.delimiter)


def _with_line_feeds(source: Source, path: str, dialect: Dialect) -> Iterator[bytes]:
    """The file as UTF-8 in pieces of whole lines that end in LF; a CR that ends no row becomes a blank.

    One that ends a row has a row behind it, and before it as many delimiters as a row has.
    """
    comma, commas = dialect.delimiter.encode(), len(dialect.columns) - 1

    def end_of_row(found: re.Match[bytes]) -> bytes:
        text, end = found.string, found.start()
        start = max(text.rfind(b"\n", 0, end), text.rfind(b"\r", 0, end)) + 1
        return b"\n" if text.count(comma, start, end) >= commas else b" "

    row_behind = re.compile(rb"\r(?=" + _shape(dialect).encode() + rb"(?:[\r\n]|\Z))")
    decoder = codecs.getincrementaldecoder(dialect.encoding)()
    rest = b""
    with source.system.open(path, "rb", compression="infer") as file:
        while True:
            read = file.read(_CHUNK)
            text = read if dialect.encoding == "utf-8" else decoder.decode(read, final=not read).encode()
            whole, end, rest = (rest + text).rpartition(b"\n")
            if not read:
                whole, end = whole + end + rest, b"\n" if rest else b""
            chunk = (whole + end).replace(b"\r\n", b"\n")
            yield row_behind.sub(end_of_row, chunk).replace(b"\r", b" ") if b"\r" in chunk else chunk
            if not read:
                return


def _mark(draft: Path, out: Path, dialect: Dialect) -> list[str]:
    """Copy `draft` to `out` with a mark in place of every line that has a broken quote; returns these lines."""
    rows, plain = _rows(dialect)
    marked: list[str] = []
    with (
        draft.open("rb") as file,
        out.open("wb") as target,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        place = _copy(text, 0, _after_lines(text, dialect.before), target)
        while place < len(text):
            found = rows.match(text, place)
            if found:
                place = _copy(text, place, found.end(), target)
                continue
            after = text.find(b"\n", place) + 1 or len(text)
            if plain.match(text, place):
                place = _copy(text, place, after, target)
                continue
            target.write(_a_mark(len(marked), dialect))
            marked.append(text[place : after - 1].decode(errors="replace"))
            place = after
    return marked


def _a_mark(number: int, dialect: Dialect) -> bytes:
    """A line with a wrong number of values."""
    return f"{MARK}{number}{dialect.delimiter if len(dialect.columns) == 1 else ''}\n".encode()


def _rows(dialect: Dialect) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """What matches many rows that follow one another, and what matches one line without a broken quote.

    A line break in quotes must not be followed by what looks like a row. Blanks may stand around quotes, as DuckDB has
    it. Atomic groups: nothing is tried twice. (Python before 3.11.5 has wrong matches of possessive quantifiers over
    groups, so these stand on single characters alone.)
    """
    comma = _escaped(dialect)
    quotes = rf' *+"(?>(?:[^"\n]|""|\n(?!{_shape(dialect)}(?:\n|"|\Z)))*)" *+'
    bare = rf'(?>(?! *+")(?:[^{comma}\n][^{comma}\n]*+)?)'
    value = f"(?:{quotes}(?=[{comma}\n])|{bare})"
    on_a_line = rf'(?: *+"(?>(?:[^"\n]|"")*)" *+|{bare})'
    return (
        re.compile(rf"(?>(?:{value}(?:{comma}{value}){{{len(dialect.columns) - 1}}}\n){{1,{_ROWS}}})".encode()),
        re.compile(rf"(?>{on_a_line}(?:{comma}{on_a_line})*)\n".encode()),
    )


def _after_lines(text: mmap.mmap, lines: int) -> int:
    place = 0
    for _ in range(lines):
        place = text.find(b"\n", place) + 1
    return place


def _copy(text: mmap.mmap, start: int, end: int, target: BinaryIO) -> int:
    for place in range(start, end, _CHUNK):
        target.write(text[place : min(end, place + _CHUNK)])
    return end
