"""Features by row: read when a batch needs them, from Neo4j or from memory-mapped files, and kept while there is room.

A graph whose features exceed memory trains from a `FeatureCache`: it stands wherever an array [items, width] would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import chain
from typing import Any, Protocol

import numpy as np

from colisten.arrays import Bools, Floats, Int32s, Int64s
from colisten.errors import GraphError
from colisten.graph_store.schema import quoted
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.bolt import Reader
from colisten.graph_store.stream.metadata import GraphMetadata

Features = Floats | Callable[[Int64s], Floats]
"""[items, width] of all items, or what gives [n, width] of some: a `FeatureCache`, or any function."""
_NUMBERS_PER_QUERY = 50_000


class FeatureSource(Protocol):
    """Where rows come from: `PropertyRows`, or an array, if need be a memory-mapped one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(items, width)."""

    def take(self, indices: Int64s, axis: int) -> Floats:
        """[n, width] the rows of some items (`axis` is 0), as of an array."""


def rows_of(features: Features, items: Int64s) -> Floats:
    """[n, width] the features of some items."""
    return features(items) if callable(features) else features.take(items, axis=0)


class PropertyRows:
    """A property of the items in Neo4j, read row by row over several connections."""

    def __init__(self, reader: Reader, metadata: GraphMetadata, name: str) -> None:
        """`name`: a number, a list of equally many numbers, or float32s as bytes (little-endian).

        Raises:
            GraphError: the first item does not have it, or it is of another kind.
        """
        self._reader, self._metadata, self._name = reader, metadata, name
        self.shape = (len(metadata.node_type), len(self._decoded(self._read(np.zeros(1, np.int64))[0], 1)[0]))

    def take(self, items: Int64s, axis: int = 0) -> Floats:
        """float32 [n, width] of some items.

        Raises:
            GraphError: an item lacks the property, or has it in another kind or length; or the server is gone.
        """
        width = self.shape[1]
        pieces = np.array_split(items, -(-len(items) * max(1, width) // _NUMBERS_PER_QUERY)) if len(items) else []
        out, at = np.empty((len(items), width), np.float32), 0
        for values, piece in zip(self._read(*pieces), pieces, strict=True):
            out[at : at + len(piece)] = self._decoded(values, len(piece), width)
            at += len(piece)
        return out

    def _read(self, *pieces: Int64s) -> list[list[Any]]:
        # By its name in the query, which takes Neo4j half of the time that a name as a parameter does.
        query = f"UNWIND $ids AS i MATCH (n) WHERE id(n) = i RETURN collect(n.{quoted(self._name)})"
        given = [{"ids": self._metadata.node_id[piece].tolist()} for piece in pieces]
        if len(given) == 1:
            return [self._reader.read(query, **given[0])[0][0]]
        return [rows[0][0] for rows in self._reader.read_many(query, given)]

    def _decoded(self, values: list[Any], count: int, width: int | None = None) -> Floats:
        """Cypher leaves out of a list what is not there, so that its length tells."""
        try:
            if len(values) != count:
                raise ValueError
            found = _array(values)
            if np.isnan(found).any() or width not in (None, found.shape[1]):
                raise ValueError
        except (TypeError, ValueError) as error:
            raise GraphError(
                f"Not every item has {self._name!r} as a number, or as a list or float32 bytes of one length."
            ) from error
        return found


def _array(values: list[Any]) -> Floats:
    """[n, width] of numbers, lists of them, or bytes."""
    first = values[0]
    if not isinstance(first, list | bytes | bytearray):
        return np.fromiter(values, np.float32, len(values))[:, None]
    if {len(value) for value in values} != {len(first)}:
        raise ValueError("rows of different lengths")
    if isinstance(first, list):
        return np.fromiter(chain.from_iterable(values), np.float32, len(values) * len(first)).reshape(len(values), -1)
    return np.frombuffer(b"".join(values), "<f4").reshape(len(values), -1)


class FeatureCache:
    """Rows of features within a byte budget.

    The rows kept are those of the items with the most edges, each from the first time it is read on: neighbours are met
    about as often as they have edges, so none is ever put out for another. All other rows are read again.
    """

    def __init__(self, source: FeatureSource, adjacency: Adjacency, *, cache_mb: int) -> None:
        """`source` [items, width]: an array in a memory-mapped file (`numpy.load(…, mmap_mode="r")`), or
        `PropertyRows` (see `LiveAdjacency.stream_property`).

        Raises:
            ValueError: the source has other items than the adjacency.
        """
        items = len(adjacency.node_type)
        if len(source.shape) != 2 or source.shape[0] != items:
            raise ValueError(f"features of shape {source.shape} for {items} items: one row an item is asked for")
        self.source, self.shape = source, source.shape
        self._adjacency, self._cache_mb = adjacency, cache_mb
        row_bytes = 4 * self.shape[1] + 1
        self._start_anew(max(0, min(items, (cache_mb * 2**20 - 4 * items) // row_bytes)))

    def _start_anew(self, room: int) -> None:
        degree = self._adjacency.degrees.sum(axis=1, dtype=np.int32)
        kept = np.argpartition(-degree, room - 1)[:room] if 0 < room < len(degree) else np.arange(room)
        self._place: Int32s = np.full(len(degree), -1, np.int32)
        self._place[kept] = np.arange(room, dtype=np.int32)
        self._rows: Floats = np.empty((room, self.shape[1]), np.float32)
        self._known: Bools = np.zeros(room, np.bool_)
        self._writing = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.source, self._adjacency, self._cache_mb)

    def __call__(self, items: Int64s) -> Floats:
        """float32 [n, width] of some items, each as often as it is given.

        Raises:
            GraphError: see `PropertyRows.take`.
        """
        place = self._place[items]
        here = place >= 0
        here[here] = self._known[place[here]]
        if here.all():
            return self._rows.take(place, axis=0)
        out = np.empty((len(items), self.shape[1]), np.float32)
        out[here] = self._rows.take(place[here], axis=0)
        missing, inverse = np.unique(items[~here], return_inverse=True)
        read = self.source.take(missing, axis=0)
        out[~here] = read[inverse]
        keep = self._place[missing] >= 0
        with self._writing:
            self._rows[self._place[missing[keep]]] = read[keep]
            self._known[self._place[missing[keep]]] = True
        return out


def _opened(source: FeatureSource, adjacency: Adjacency, cache_mb: int) -> FeatureCache:
    return FeatureCache(source, adjacency, cache_mb=cache_mb)
