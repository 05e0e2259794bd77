"""Some users as arrays: what the user tower sees of them, in training and in serving alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colisten.arrays import Codes, Int32s, Int64s


@dataclass(frozen=True)
class Listeners:
    """`n` users and their `e` events, as ragged arrays.

    No polars, no torch: a recommendation is answered from this with NumPy alone.
    """

    indptr: Int64s
    """[n + 1] where each user's events begin."""
    items: Int32s
    """[e] what was heard, followed, …"""
    signals: Codes
    """[e] code of the signal (place in `ListeningData.signals`)."""
    timestamps: Int64s
    """[e] seconds, UTC; -1 where unknown."""
    features: Mapping[str, Sequence[object]]
    """Per column of the users table, one value (None: unknown) per user; `taste` holds lists of floats."""

    def __len__(self) -> int:
        return len(self.indptr) - 1
