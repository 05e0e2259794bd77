"""Discovery of the source files of each table, in a local folder or an object store (fsspec)."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

import fsspec
from fsspec.implementations.local import LocalFileSystem

from colisten.errors import DataError


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
        except OSError as error:
            raise DataError(f"{url} cannot be opened ({error}): check the address and the access rights.") from error
        return cls(url, system, root)

    @property
    def local(self) -> bool:
        return isinstance(self.system, LocalFileSystem)

    def files(self, table: str) -> list[str]:
        """The files of a table as DuckDB names them, sorted; none where there is no such table.

        `interactions.parquet`, `interactions.csv`, `interactions-0001.parquet`, `interactions_2024.csv.gz` and
        everything below `interactions/` belong to `interactions`.

        Raises:
            DataError: the table is there both as Parquet and as CSV.
        """
        pattern = re.compile(rf"{table}[^/]*\.(parquet|csv|csv\.gz)$|{table}/(?!(.*/)?[._]).*\.(parquet|csv|csv\.gz)$")
        prefix = self.root.rstrip("/") + "/"
        found = sorted(path for path in self.system.find(self.root) if pattern.match(path.removeprefix(prefix)))
        if len({path.endswith(".parquet") for path in found}) > 1:
            raise DataError(f"{table} is in {self.url} both as Parquet and as CSV: leave one of them.")
        return found if self.local else [self.system.unstrip_protocol(path) for path in found]

    def header(self, path: str) -> tuple[str, ...]:
        """The column names in the first line of a CSV file.

        Raises:
            DataError: the file is empty, is not UTF-8 text, or names a column twice.
        """
        try:
            with self.system.open(path, "rt", compression="infer", encoding="utf-8-sig", newline="") as file:
                names = next(csv.reader(file), [])
        except (UnicodeDecodeError, csv.Error, OSError) as error:
            raise DataError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error
        if not names:
            raise DataError(f"{path} is empty: its first line should name the columns.")
        duplicate = _duplicate(names)
        if duplicate:
            raise DataError(f"{path} names the column {duplicate!r} twice: rename one.")
        return tuple(names)


def _duplicate(names: Sequence[str]) -> str | None:
    lower = [name.lower() for name in names]
    return next((name for name in names if lower.count(name.lower()) > 1), None)
