"""Compiled loops over arrays (Numba, no GIL), so that threads run in parallel."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

if os.environ.get("COLISTEN_CACHE"):  # which Numba reads as it is imported
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(os.environ["COLISTEN_CACHE"]) / "numba"))

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")
CORES = os.cpu_count() or 1
_SLICES = 4
"""For each core, so that all end together though rows differ."""


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` at its first call, kept on disk; integer overflow wraps.

    It is kept below `COLISTEN_CACHE` if that is set, else beside its module, or in the user's cache where that cannot
    be written.

    Nothing checks bounds: what comes from outside is checked before (`edge_reading`, `catalogue`), and a test runs all
    loops with bounds checked. What is kept is made anew when the module's own file changes, not when that of a compiled
    function it calls does: who edits one removes `__pycache__/*.nbi`.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        found = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder of those can be written
        _say_it_is_not_kept()
        found = numba.njit(**options)(function)
    return cast("Callable[_P, _R]", found)


def on_all_cores(loop: Callable[[slice], None], rows: int, size: int = 0) -> Iterator[int]:
    """Run a compiled `loop` over slices of so many rows, on as many threads as there are cores.

    Each row has to be done by itself: which thread takes it must make no difference.

    Yields:
        The rows of each slice that is done, of `size` rows if that is given.
    """
    size = size or max(1, -(-rows // (_SLICES * CORES)))
    slices = [slice(at, min(at + size, rows)) for at in range(0, rows, size)]
    with ThreadPoolExecutor(CORES) as pool:
        for some, _ in zip(slices, pool.map(loop, slices), strict=True):
            yield some.stop - some.start


@cache
def _say_it_is_not_kept() -> None:
    logging.getLogger("colisten").warning(
        "Compiled code is kept nowhere, so every start takes seconds longer: set COLISTEN_CACHE to a folder that this "
        "user may write."
    )
