"""Values put together by their keys, by a counting sort whose result may lie on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from colisten.arrays import Int32s, Int64s
from colisten.compiled import compiled
from colisten.on_disk import blank
from colisten.ragged import offsets

T = TypeVar("T", bound=np.generic)


def grouped(
    pieces: Iterable[tuple[Int32s, npt.NDArray[T]]], lengths: Int64s, dtype: type[T], folder: Path | None
) -> tuple[Int64s, npt.NDArray[T]]:
    """Values by their keys: `indptr` int64 [keys + 1] and the values [n], those of one key in the order given.

    Args:
        pieces: keys, and values of `dtype`.
        lengths: [keys] how often each key comes in all.
        dtype: of the values.
        folder: where the values are put; None: in memory.

    Raises:
        OutOfSpaceError: the disk is full.
    """
    indptr = offsets(lengths)
    values = blank(int(indptr[-1]), dtype, folder)
    free = indptr[:-1].copy()
    for keys, some in pieces:
        _deal(keys, some, free, values)
    return indptr, values


@compiled
def _deal(keys: Int32s, values: npt.NDArray[T], free: Int64s, out: npt.NDArray[T]) -> None:
    """Put each value into the next free place of its key."""
    for place in range(len(keys)):
        out[free[keys[place]]] = values[place]
        free[keys[place]] += 1
