"""Compiled loops over arrays (Numba, no GIL), so that threads run in parallel."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

if os.environ.get("COLISTEN_CACHE"):  # which Numba reads as it is imported
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(os.environ["COLISTEN_CACHE"]) / "numba"))

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


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


@cache
def _say_it_is_not_kept() -> None:
    logging.getLogger("colisten").warning(
        "Compiled code is kept nowhere, so every start takes seconds longer: set COLISTEN_CACHE to a folder that this "
        "user may write."
    )
