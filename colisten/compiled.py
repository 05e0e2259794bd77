"""Compiled loops over arrays (Numba, no GIL), so that threads run in parallel."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile `function` at its first call, kept on disk beside its module; integer overflow wraps.

    Nothing checks bounds: what comes from outside is checked before (`edge_reading`, `catalogue`), and a test runs all
    loops with bounds checked. What is kept is made anew when the module's own file changes, not when that of a compiled
    function it calls does: who edits one removes `__pycache__/*.nbi`.
    """
    return cast("Callable[_P, _R]", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
