"""Rows kept in memory within a byte budget; those beyond it in a temporary file."""

from __future__ import annotations

import os
import tempfile
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s
from colisten.graph_store.stream.adjacency import Ragged
from colisten.ragged import offsets, spans

ENTRY_BYTES = 8
"""One neighbour: an int32 and a float32."""
_UNKNOWN = -1
_ENTRY = np.dtype([("item", np.int32), ("weight", np.float32)])


class RowCache:
    """A cache without eviction: access is cyclic over epochs, so LRU would miss every time.

    An epoch comes back to every row about equally often, and then what was used longest ago is what comes next:
    putting it out would leave a small cache without a single hit. What finds no room is written to a file without a
    name, one after the other, and read from there: it ends with the process, however that ends.
    """

    def __init__(self, items: int, entries: int, folder: Path | None = None) -> None:
        """`folder`: where the file lies; None for the system's temporary folder."""
        self.start = np.full(items, _UNKNOWN, np.int64)
        """[items] where each row begins in the pools; -1 where it is not known, -2 - place for one in the file."""
        self.items: Int32s = np.empty(entries, np.int32)
        self.weights: Floats = np.empty(entries, np.float32)
        self.used = 0
        self._spilled = 0
        self._folder = folder
        self._putting = threading.Lock()

    def put(self, row_items: Int64s, length: Int64s, items: Int32s, weights: Floats) -> None:
        """Keep rows, given one after the other: those for which there is room in memory, the others in the file."""
        with self._putting:
            new = self.start[row_items] == _UNKNOWN
            fits = new & (self.used + np.cumsum(length) <= len(self.items))
            begin = offsets(length)[:-1]
            put = offsets(length[fits]) + self.used
            taken = spans(begin[fits], length[fits])
            self.items[self.used : put[-1]] = items[taken]
            self.weights[self.used : put[-1]] = weights[taken]
            self.used = int(put[-1])
            self.start[row_items[fits]] = put[:-1]
            rest = new & ~fits
            if rest.any():
                self._spill(row_items[rest], length[rest], spans(begin[rest], length[rest]), items, weights)

    def _spill(self, row_items: Int64s, length: Int64s, taken: Int64s, items: Int32s, weights: Floats) -> None:
        if not self._spilled:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 it lives as long as the cache
            self._process = os.getpid()
        if self._process != os.getpid():
            return  # a fork's: two processes would write over each other
        entries = np.empty(len(taken), _ENTRY)
        entries["item"], entries["weight"] = items[taken], weights[taken]
        written, at = entries.view(np.uint8).data, self._spilled * ENTRY_BYTES
        while written:
            count = os.pwrite(self._file.fileno(), written, at)
            written, at = written[count:], at + count
        self.start[row_items] = -2 - (offsets(length)[:-1] + self._spilled)
        self._spilled += len(entries)

    def read(self, items: Int64s, length: Int64s) -> Ragged:
        """Rows that are in the file, so many entries each."""
        place = -2 - self.start[items]
        indptr = offsets(length)
        out = np.empty(indptr[-1], _ENTRY)
        into, descriptor = out.view(np.uint8).data, self._file.fileno()
        for at, (low, high) in zip(
            (place * ENTRY_BYTES).tolist(), pairwise((indptr * ENTRY_BYTES).tolist()), strict=True
        ):
            os.preadv(descriptor, [into[low:high]], at)
        return Ragged(indptr, np.ascontiguousarray(out["item"]), np.ascontiguousarray(out["weight"]))
