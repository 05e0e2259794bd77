"""How a CSV file is written: encoding, delimiter and column names, from its first lines."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from colisten.errors import DataError
from colisten.listening.contract import Table
from colisten.listening.files import Source

DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
_INDEX = re.compile(r"\s*(Unnamed: \d+(_level_\d+)?)?\s*")
"""Names that pandas gives to a row index, which has none."""


@dataclass(frozen=True)
class Dialect:
    """How DuckDB is to read a file; `skipped` columns have no name and are left out."""

    columns: tuple[str, ...]
    delimiter: str = ","
    before: int = 0
    """Lines before the one with the names."""
    encoding: str = "utf-8"
    escape: str = '"'
    """What stands before a quote within quotes: another one, or a backslash as Spark and MySQL write it."""

    @property
    def skipped(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name.startswith(_NO_NAME))


_NO_NAME = "column without name "


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Errors of reading and unpacking as one sentence that names the file.

    Raises:
        DataError: the file cannot be read to its end.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is no whole gzip file ({error}): copy it again, or name it .csv if it is one."
        ) from error
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error


def read_dialect(source: Source, path: str, table: Table) -> Dialect:
    """The dialect of a CSV file of a table.

    A delimiter other than the comma is taken from a first line `sep=;`, as spreadsheets write it, or where only it
    gives all columns that the table needs.

    Raises:
        DataError: the file is empty, is not UTF-8 text, or names a column twice.
    """
    with reading(path), source.system.open(path, "rb", compression="infer") as file:
        encoding = _encoding(file.read(4))
    with reading(path), source.system.open(path, "rt", compression="infer", encoding=encoding, newline="") as file:
        first = file.readline()
        told = _SEPARATOR_LINE.fullmatch(first)
        names = _names(_record(file, "" if told else first), told.group(1) if told else None, table)
    if not names[1]:
        raise DataError(f"{path} is empty: its first line should name the columns.")
    duplicate = _duplicate(names[1])
    if duplicate:
        raise DataError(f"{path} names the column {duplicate!r} twice: rename one.")
    columns = (f"{_NO_NAME}{place}" if _INDEX.fullmatch(name) else name for place, name in enumerate(names[1], 1))
    return Dialect(tuple(columns), names[0], 1 if told else 0, encoding.removesuffix("-sig"))


def _encoding(start: bytes) -> str:
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _record(file: io.TextIOBase, first: str) -> str:
    """The lines of the header: more than one where a quoted name holds a line break."""
    text = first or file.readline()
    while text.count('"') % 2 and (line := file.readline()):
        text += line
    return text


def _names(header: str, told: str | None, table: Table) -> tuple[str, Sequence[str]]:
    """The delimiter and the names that the header has with it."""
    needed = {column.name for column in table.columns if column.required}
    read = {delimiter: _split(header, delimiter) for delimiter in ([told] if told else DELIMITERS)}
    best = max(read, key=lambda delimiter: len(needed.intersection(read[delimiter])))
    return best, read[best]


def _split(header: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader(io.StringIO(header, newline=""), delimiter=delimiter), [])]


def _duplicate(names: Sequence[str]) -> str | None:
    lower = [name.lower() for name in names if not _INDEX.fullmatch(name)]
    return next((name for name in names if lower.count(name.lower()) > 1), None)
