"""The one reader of lists of users, as `colisten data split`, spreadsheets and people write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from colisten.errors import DataError, SettingsError
from colisten.listening.values import BLANKS

_COLUMN = "user_id"
_PARQUET = b"PAR1"


def ids_in(path: Path) -> list[str]:
    """The user ids of a file, in its order: one a line, quoted where needed, or the column `user_id` of CSV or Parquet.

    Blanks around an id are cut, as an import does; empty lines are left out.

    Raises:
        DataError: the file is no text in UTF-8, UTF-16 or UTF-32, a quote in it is never closed, or it is a Parquet
            file without the column.
    """
    content = path.read_bytes()
    return _cleaned(_from_parquet(path, content) if content.startswith(_PARQUET) else _from_text(path, content))


def _from_text(path: Path, content: bytes) -> Iterator[str]:
    from colisten.listening.csv_dialect import DELIMITERS, SEPARATOR_LINE  # here, since it takes fsspec

    text = _decoded(path, content)
    header, separator, rest = text.partition("\n")
    if SEPARATOR_LINE.fullmatch(header):
        header, separator, rest = rest.partition("\n")
    delimiter = next((one for one in DELIMITERS if _COLUMN in _names(header, one)), None)
    if delimiter is None:
        yield from _lines(path, text)
        return
    column = _names(header, delimiter).index(_COLUMN)
    rows = _rows(path, rest if separator else "", delimiter)
    yield from (row[column] for row in rows if len(row) > column)


def _from_parquet(path: Path, content: bytes) -> list[str]:
    import polars as pl

    try:
        column = next((name for name in pl.read_parquet_schema(io.BytesIO(content)) if name.lower() == _COLUMN), None)
        if column is None:
            raise DataError(f"{path} has no column {_COLUMN}: name the one with the ids so.")
        ids = pl.read_parquet(io.BytesIO(content), columns=[column])[column].cast(pl.String)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}.") from error
    return ids.drop_nulls().to_list()


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


def _decoded(path: Path, content: bytes) -> str:
    """The text with LF line ends and without a byte order mark."""
    from colisten.listening.csv_dialect import encoding_of

    try:
        text = content.decode(encoding_of(content[:4]))
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
    return [found for one in ids if (found := one.strip(BLANKS))]
