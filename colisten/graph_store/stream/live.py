"""The live back end: rows read from Neo4j when needed, over several connections, and kept while there is room."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Self

import numpy as np

from colisten.arrays import Bools, Codes, Floats, Int32s, Int64s
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.endpoint import Endpoint
from colisten.graph_store.stream.adjacency import Adjacency, Ragged, RowPieces, Rows
from colisten.graph_store.stream.bolt import Reader
from colisten.graph_store.stream.cache import ENTRY_BYTES, RowCache
from colisten.graph_store.stream.csr import by_relation, cuts, order_rows, put_edges
from colisten.graph_store.stream.degrees import read_degrees
from colisten.graph_store.stream.edge_reading import read_edges, read_rows, read_times
from colisten.graph_store.stream.features import FeatureCache, PropertyRows
from colisten.graph_store.stream.metadata import GraphMetadata, read_metadata, read_version
from colisten.prefetch import prefetch_map
from colisten.ragged import offsets

_ENDS_PER_QUERY = 20_000
_ENDS_PER_PIECE = 100_000
_SECONDS_BETWEEN_VERSIONS = 5.0
_WORK = 128 * 2**20
"""Bytes that are enough for the work under way, however large the budget."""
_BYTES_PER_END_READ = 2_000
"""So many of that for each neighbour of a query: several are under way, and the driver makes objects of numbers."""
_READ_BY_ROW = 0.1
"""Share of a graph that fits the budget that is read row by row; who asks for more gets all of it at once."""


class LiveAdjacency(Adjacency):
    """Neighbours straight from Neo4j.

    `cache_mb` is a budget for all that is kept per item and per edge and for the batches that are made meanwhile
    (`stream` makes fewer ahead where they are large). Rows that it has no room for go to a temporary file, so that each
    is read from Neo4j once. Closing it closes connections; it opens them again when asked for rows.
    """

    def __init__(
        self, reader: Reader, metadata: GraphMetadata, degrees: Int32s, cache_mb: int, spill: Path | None = None
    ) -> None:
        self.version = metadata.version
        self.node_types, self.node_type = metadata.node_types, metadata.node_type
        self.relations = metadata.relations
        self.degrees = degrees
        self._length: Int64s = degrees.sum(axis=1, dtype=np.int64)
        self._reader, self._metadata, self._cache_mb, self._spill = reader, metadata, cache_mb, spill
        self._start_anew()

    def _start_anew(self) -> None:
        items, groups = self.degrees.shape
        room = max(0, self._cache_mb * 2**20 - items * (4 * groups + 8 * 3 + 4 + 1))
        ends = int(self._length.sum())
        all_of_it, half = ends * ENTRY_BYTES, (room - min(room // 2, _WORK)) // ENTRY_BYTES
        entries = ends if all_of_it <= room * 7 // 8 else min(half, ends)
        self.work_bytes = room - entries * ENTRY_BYTES
        self._fits = entries == ends
        self._cache = RowCache(items, entries, self._spill)
        self._reading = threading.Lock()
        self._checked = time.monotonic()

    @classmethod
    def open(
        cls, endpoint: Endpoint, *, node_type: Codes | None = None, node_types: tuple[str, ...] = (),
        relations: tuple[str, ...] | None = None, cache_mb: int = 512, connections: int = 4,
        database: str = "neo4j", spill: Path | None = None,
    ) -> Self:  # fmt: skip
        """Read what there is (versions, degrees: no edges). Without `node_type` [items], labels tell the node types.

        `relations`: those whose edges are streamed; None: all that the graph has. `spill`: the folder of a file for the
        rows beyond `cache_mb`; None for the system's temporary folder.

        Raises:
            GraphError: see `read_metadata`.
        """
        reader = Reader(endpoint, database=database, connections=connections)
        metadata = read_metadata(reader, node_type, node_types, relations)
        return cls(reader, metadata, read_degrees(reader, metadata), cache_mb, spill)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._reader, self._metadata, self.degrees, self._cache_mb, self._spill)

    def rows(self, items: Int64s) -> RowPieces:
        self._check_version()
        asked, known = np.arange(len(items)), self._is_known(items)
        yield from self._known(asked[known], items)
        if known.all():
            return
        # One at a time: what another thread reads meanwhile is likely what this one needs.
        with self._reading:
            late = asked[~known]
            missing = items[late[~self._is_known(items[late])]]
            wanted = self._cache.used + int(self._length[missing].sum())
            if self._fits and len(missing) and wanted > len(self._cache.items) * _READ_BY_ROW:
                self._cache = self._all_rows()
            unknown = ~self._is_known(items[late])
            yield from self._known(late[~unknown], items)
            yield from self._read(late[unknown], items)

    def _is_known(self, items: Int64s) -> Bools:
        known: Bools = (self._cache.start[items] != -1) | (self._length[items] == 0)
        return known

    def _known(self, asked: Int64s, items: Int64s) -> RowPieces:
        """Rows that need not be read from Neo4j: those in memory, then those in the file, in pieces."""
        cache = self._cache
        start = cache.start[items[asked]]
        in_memory, in_file = start >= -1, asked[start < -1]  # -1: a row without entries
        yield Rows(asked[in_memory], start[in_memory], cache.items, cache.weights)
        for part in np.split(in_file, cuts(self._length[items[in_file]], _ENDS_PER_PIECE)) if len(in_file) else ():
            row = cache.read(items[part], self._length[items[part]])
            yield Rows(part, row.indptr[:-1], row.items, row.weights)

    def _all_rows(self) -> RowCache:
        """Everything, edge by edge: an edge is read once instead of from both of its ends."""
        cache = RowCache(len(self._length), int(self._length.sum()))
        indptr = offsets(self._length)
        edges = read_edges(self._reader, self._metadata)
        if not put_edges(self.degrees, len(self.node_types), edges, self.node_type, cache.items, cache.weights):
            raise self._metadata.changed("an item has more or fewer edges")
        cache.start[:] = indptr[:-1]
        cache.used = int(indptr[-1])
        return cache

    def _read(self, asked: Int64s, items: Int64s) -> RowPieces:
        at_once = min(_ENDS_PER_QUERY, max(1_000, self.work_bytes // _BYTES_PER_END_READ))
        pieces = np.split(asked, cuts(self._length[items[asked]], at_once)) if len(asked) else []
        connections = self._reader.connections
        for part, row in zip(
            pieces,
            prefetch_map(self._fetch, (items[part] for part in pieces), threads=connections, depth=connections + 2),
            strict=True,
        ):
            self._cache.put(items[part], self._length[items[part]], row.items, row.weights)
            yield Rows(part, row.indptr[:-1], row.items, row.weights)

    def _fetch(self, items: Int64s) -> Ragged:
        """Whole rows, put in order."""
        degrees, types = self.degrees[items], len(self.node_types)
        found = read_rows(self._reader, self._metadata, items, by_relation(degrees, types))
        order_rows(found.indptr, degrees, types, self.node_type, found.items, found.weights)
        return found

    def query(self, query: str, params: dict[str, Any]) -> list[list[Any]]:
        """All rows that a read query in Cypher answers with.

        Raises:
            GraphError: the server cannot be reached or refuses.
        """
        return self._reader.read(query, **params)

    def read_property(self, name: str) -> Floats:
        """A number, a list of equally many numbers, or float32s as bytes, that every item carries in Neo4j: float32
        [items, width], all in memory.

        Raises:
            GraphError: an item lacks it, or it is of another kind.
        """
        return PropertyRows(self._reader, self._metadata, name).take(np.arange(len(self.node_type)))

    def stream_property(self, name: str, *, cache_mb: int) -> FeatureCache:
        """The same, read when a batch needs it, `cache_mb` of it kept: for features that exceed memory.

        Raises:
            GraphError: as above, when the rows are read.
        """
        return FeatureCache(PropertyRows(self._reader, self._metadata, name), self, cache_mb=cache_mb)

    def read_times(self) -> tuple[Int32s, Int32s, Int64s]:
        """Ends of all co-listening edges [edges], each once, and when they were last made, in epoch seconds.

        An edge without a time has `edge_reading.NO_TIME`.

        Raises:
            GraphError: co-listening is not streamed, or the server cannot be reached or refuses.
        """
        pieces = list(read_times(self._reader, self._metadata, CO_LISTENED))
        none = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64)
        src, dst, seconds = (np.concatenate(parts) for parts in zip(none, *pieces, strict=True))
        return src, dst, seconds

    def _check_version(self) -> None:
        if time.monotonic() - self._checked > _SECONDS_BETWEEN_VERSIONS:
            self._checked = time.monotonic()
            if read_version(self._reader) != self.version:
                raise self._metadata.changed("another was built")

    def close(self) -> None:
        self._reader.close()
