"""Row cache in memory, bounded in bytes."""

from __future__ import annotations

import threading

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s
from colisten.ragged import offsets, spans

ENTRY_BYTES = 8
"""One neighbour: an int32 and a float32."""


class RowCache:
    """A cache without eviction: access is cyclic over epochs, so LRU would miss every time.

    An epoch comes back to every row about equally often, and then what was used longest ago is what comes next:
    putting it out would leave a small cache without a single hit.
    """

    def __init__(self, items: int, entries: int) -> None:
        self.start = np.full(items, -1, np.int64)
        """[items] where each row begins in the pools; -1 where it is not kept."""
        self.items: Int32s = np.empty(entries, np.int32)
        self.weights: Floats = np.empty(entries, np.float32)
        self.used = 0
        self._putting = threading.Lock()

    def put(self, row_items: Int64s, length: Int64s, items: Int32s, weights: Floats) -> None:
        """Keep those of the rows, given one after the other, for which there is room."""
        with self._putting:
            fits = self.used + np.cumsum(length) <= len(self.items)
            fits &= self.start[row_items] < 0
            begin = offsets(length)[:-1][fits]
            row_items, length = row_items[fits], length[fits]
            put = offsets(length) + self.used
            taken = spans(begin, length)
            self.items[self.used : put[-1]] = items[taken]
            self.weights[self.used : put[-1]] = weights[taken]
            self.used = int(put[-1])
            self.start[row_items] = put[:-1]
