"""The one reader of lists of users, as `colisten data split`, spreadsheets and people write them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from colisten.errors import DataError, SettingsError

_COLUMN = "user_id"
_DELIMITERS = ",;\t"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def ids_in(path: Path) -> list[str]:
    """The user ids of a file, in its order: one a line, quoted where needed, or the column `user_id` of a CSV file.

    Blanks around an id are cut, as an import does; empty lines are left out.

    Raises:
        DataError: the file is no text in UTF-8 or UTF-16, or a quote in it is never closed.
    """
    text = _text(path)
    header, separator, rest = text.partition("\n")
    delimiter = next((one for one in _DELIMITERS if _COLUMN in _names(header, one)), None)
    if delimiter is None:
        return _cleaned(_lines(path, text))
    column = _names(header, delimiter).index(_COLUMN)
    rows = _rows(path, rest if separator else "", delimiter)
    return _cleaned(row[column] for row in rows if len(row) > column)


def shard_of(ids: Sequence[str], shard: str) -> list[str]:
    """The users of one shard, written `I/N`: the I-th of N parts of the distinct users, in their order.

    The shards of one list are disjoint, nearly equal, and one after the other the whole list.

    >>> [shard_of(["a", "b", "a", "c"], shard) for shard in ("1/2", "2/2")]
    [['a'], ['b', 'c']]

    Raises:
        SettingsError: it is not written so, or I is not in 1 … N.
    """
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", shard)
    place, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= place <= count:
        raise SettingsError(f"A shard is written I/N with I from 1 to N, like 3/8, not {shard!r}.")
    distinct = list(dict.fromkeys(ids))
    return distinct[len(distinct) * (place - 1) // count : len(distinct) * place // count]


def _text(path: Path) -> str:
    """The file with LF line ends and without a byte order mark."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason}): save the list of users as UTF-8 text.") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _names(header: str, delimiter: str) -> list[str]:
    return [name.strip(' \t"').lower() for name in header.split(delimiter)]


def _rows(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(f"{path} cannot be read near line {reader.line_num}: {error}.") from error


def _lines(path: Path, text: str) -> Iterator[str]:
    """Whole lines, commas and all, but for quoted ones, which may go over several lines."""
    quoted = text.startswith('"') or '\n"' in text
    if not quoted:
        yield from text.split("\n")
        return
    for row in _rows(path, text, ","):
        yield ",".join(row)


def _cleaned(ids: Iterable[str]) -> list[str]:
    return [found for one in ids if (found := one.strip(" "))]
