"""Discovery of the source files of each table, in a local folder or an object store (fsspec)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from colisten.errors import DataError
from colisten.listening.contract import literal

FILE, LINE = "source file", "source line"
"""Columns that every source table has beside its own; their blanks keep them apart from those of the data."""

_ENDING = r"\.(parquet|csv|csv\.gz)"


@dataclass(frozen=True)
class Source:
    """A folder or object-store prefix, opened."""

    url: str
    system: fsspec.AbstractFileSystem
    root: str

    @classmethod
    def open(cls, url: str) -> Source:
        """Find the file system that `url` (a path or any fsspec URL) belongs to.

        Raises:
            DataError: there is no such folder, or the URL needs a package that is not installed.
        """
        try:
            system, root = fsspec.core.url_to_fs(url)
            if not system.isdir(root):
                raise DataError(f"There is no folder {url}: name the folder that holds interactions and items.")
        except (ImportError, ValueError) as error:
            raise DataError(
                f"{url} cannot be opened ({error}): for s3:// install colisten[s3], for gs:// colisten[gcs]."
            ) from error
        except DataError:
            raise
        except Exception as error:  # every kind of store has errors of its own
            raise DataError(f"{url} cannot be opened ({error}): check the address and the access rights.") from error
        return cls(url, system, root)

    @property
    def local(self) -> bool:
        return isinstance(self.system, LocalFileSystem)

    def files(self, table: str) -> list[str]:
        """The files of a table, sorted; none where there is no such table.

        `interactions.parquet`, `interactions.csv`, `interactions-0001.parquet`, `interactions_2024.csv.gz` and
        everything below `interactions/`, `interactions.parquet/` or `interactions.csv/` belong to `interactions`.
        Links are followed.

        Raises:
            DataError: the table is there both as Parquet and as CSV, or the name of a file is not UTF-8.
        """
        pattern = re.compile(rf"{table}[^/]*{_ENDING}$|{table}([^/]*{_ENDING})?/(?!(.*/)?[._]).*{_ENDING}$", re.DOTALL)
        prefix = self.root.rstrip("/") + "/"
        paths = _below(Path(self.root), table) if self.local else self.system.find(self.root)
        found = sorted(path for path in paths if pattern.match(path.removeprefix(prefix)))
        if len({path.endswith(".parquet") for path in found}) > 1:
            raise DataError(f"{table} is in {self.url} both as Parquet and as CSV: leave one of them.")
        for path in found:
            _check_name(path)
        return found if self.local else [self.system.unstrip_protocol(path) for path in found]

    def unread(self, table: str) -> list[str]:
        """What begins with the name of a table and is no file of one: packed otherwise, or with another ending."""
        paths = _below(Path(self.root), table) if self.local else self.system.find(self.root)
        return sorted(path.removeprefix(self.root.rstrip("/") + "/") for path in paths)

    def key(self, path: str, name: str) -> str:
        """SQL that takes a column from the folder names of `path`, as Spark writes them: `…/name=value/part-0.csv`."""
        value = f"url_decode(regexp_extract({path}, {literal(f'.*/{re.escape(name)}=([^/]*)/')}, 1))"
        return f"nullif(nullif({value}, '__HIVE_DEFAULT_PARTITION__'), '')"

    def keys(self, path: str) -> tuple[str, ...]:
        """The columns that stand in the folder names of a file."""
        root = self.root if self.local else self.system.unstrip_protocol(self.root)
        return tuple(re.findall(r"(?<=/)([^/=]+)=[^/]*(?=/)", "/" + path.removeprefix(root).lstrip("/")))


def listed(paths: list[str]) -> str:
    """An SQL list of file names in which `[`, `*` and `?` stand for themselves."""
    return "[" + ", ".join(literal(re.sub(r"([*?\[])", r"[\1]", path)) for path in paths) + "]"


def _check_name(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="replace")
        raise DataError(f"The name of {shown} is not valid UTF-8: give the file another one.") from None


def _below(root: Path, start: str) -> Iterator[str]:
    """All files in the entries of a folder whose name begins with `start`."""
    for entry in root.iterdir():
        if entry.name.startswith(start):
            yield from _walk(entry, frozenset())


def _walk(path: Path, above: frozenset[Path]) -> Iterator[str]:
    """The files below `path`, links followed, but none that leads back to where it is."""
    if not path.is_dir():
        yield str(path)
        return
    real = path.resolve()
    if real not in above:
        for entry in path.iterdir():
            yield from _walk(entry, above | {real})
