"""A content-addressed cache of text embeddings, so that no text is encoded twice."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from colisten.arrays import Floats


def digest(text: str) -> bytes:
    """The cache key of a text: 16 bytes of BLAKE2b."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class TextCache:
    """Vectors by encoder and text digest, in one SQLite file; what has been added survives a kill."""

    def __init__(self, connection: sqlite3.Connection, encoder: str) -> None:
        self._connection = connection
        self._encoder = encoder

    @classmethod
    @contextmanager
    def open(cls, path: Path, encoder: str) -> Iterator[TextCache]:
        """The cache at `path`, made where missing, and anew where damaged; `encoder` is a fingerprint."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = _connected(path)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorname not in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
                raise  # a full disk, say
            for part in path.parent.glob(f"{path.name}*"):
                part.unlink()
            connection = _connected(path)
        try:
            yield cls(connection, encoder)
        finally:
            connection.close()

    def missing(self, digests: Iterable[bytes]) -> list[int]:
        """Places in `digests` of those without a vector."""
        self._look_up(digests)
        found = self._connection.execute(
            "SELECT place FROM wanted LEFT JOIN vectors v ON v.encoder = ? AND v.digest = wanted.digest "
            "WHERE v.digest IS NULL ORDER BY place",
            (self._encoder,),
        )
        return [place for (place,) in found]

    def add(self, digests: Sequence[bytes], vectors: Floats) -> None:
        """Store the vectors of some texts; committed when this returns."""
        rows = [(self._encoder, key, vector.tobytes()) for key, vector in zip(digests, vectors, strict=True)]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def vectors(self, digests: Iterable[bytes], width: int) -> Floats:
        """The vector of each digest, float32 [digests, width]; all must be there."""
        count = self._look_up(digests)
        out = np.empty((count, width), np.float32)
        found = self._connection.execute(
            "SELECT place, vector FROM wanted JOIN vectors v ON v.encoder = ? AND v.digest = wanted.digest",
            (self._encoder,),
        )
        for place, vector in found:
            out[place] = np.frombuffer(vector, np.float32)
        return out

    def width(self) -> int | None:
        """Width of this encoder's vectors, if there are any."""
        found = self._connection.execute(
            "SELECT length(vector) FROM vectors WHERE encoder = ? LIMIT 1", (self._encoder,)
        ).fetchone()
        return found[0] // np.float32().itemsize if found else None

    def _look_up(self, digests: Iterable[bytes]) -> int:
        with self._connection:
            self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (place INTEGER PRIMARY KEY, digest BLOB)")
            self._connection.execute("DELETE FROM wanted")
            self._connection.executemany("INSERT INTO wanted VALUES (?, ?)", enumerate(digests))
        return int(self._connection.execute("SELECT count(*) FROM wanted").fetchone()[0])


def _connected(path: Path) -> sqlite3.Connection:
    """A connection to the cache, as long as its header says.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors (encoder TEXT, digest BLOB, vector BLOB, "
            "PRIMARY KEY (encoder, digest)) WITHOUT ROWID"
        )
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
