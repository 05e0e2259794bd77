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
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
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
_HEADER_LINES = 20
_BY_ZEROS: dict[tuple[bool, ...], str] = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
"""A mark of UTF-32 begins like one of UTF-16."""
_OTHERS = {
    "packed by gzip": (b"\x1f\x8b", "let its name end in .csv.gz"),
    "a zip file": (b"PK\x03\x04", "unpack it"),
    "packed by zstd": (b"\x28\xb5\x2f\xfd", "unpack it"),
    "Parquet": (b"PAR1", "let its name end in .parquet"),
}
"""What a file of another kind begins with, and what to do."""


class EmptyError(DataError):
    """A file without a line."""


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
        encoding = _encoding(path, file.read(4))
    with reading(path), source.system.open(path, "rt", compression="infer", encoding=encoding, newline="") as file:
        before, first = 0, file.readline()
        while first and not first.strip():
            before, first = before + 1, file.readline()
        told = SEPARATOR_LINE.fullmatch(first)
        header = _record(path, file, file.readline() if told else first)
        names = _names(header, told.group(1) if told else None, table)
    if not names[1]:
        raise EmptyError(f"{path} is empty: its first line should name the columns.")
    duplicate = _duplicate(names[1])
    if duplicate:
        raise DataError(f"{path} names the column {duplicate!r} twice: rename one.")
    columns = (f"{_NO_NAME}{place}" if _INDEX.fullmatch(name) else name for place, name in enumerate(names[1], 1))
    return Dialect(tuple(columns), names[0], before + bool(told), encoding.removesuffix("-sig"))


def _encoding(path: str, start: bytes) -> str:
    """How the text is encoded.

    Raises:
        DataError: it is no text.
    """
    for other, (begin, mend) in _OTHERS.items():
        if start.startswith(begin):
            raise DataError(f"{path} is no CSV but {other}: {mend}.")
    return encoding_of(start)


def encoding_of(start: bytes) -> str:
    """The encoding of a text by its first four bytes: a mark, or where the zeros of its letters stand."""
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    return marked or _BY_ZEROS.get(tuple(byte == 0 for byte in start), "utf-8-sig")


def _record(path: str, file: io.TextIOBase, text: str) -> str:
    """The lines of the header: more than one where a quoted name holds a line break.

    Raises:
        DataError: a quote is not closed.
    """
    for _ in range(_HEADER_LINES):
        if text.count('"') % 2 == 0:
            return text
        text += file.readline()
    raise DataError(f"{path} has a quote among the names of its columns that is never closed: close or remove it.")


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
