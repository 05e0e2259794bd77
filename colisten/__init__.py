"""Colisten: the open recommender for audiobooks, podcasts and whatever a platform adds next.

>>> import colisten
>>> colisten.Wish(k=3).k
3
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colisten.library import evaluate, graph, opened, recommender, run
    from colisten.listening.data import ListeningData
    from colisten.serving.wishes import Wish
    from colisten.settings import Settings
    from colisten.workdir import Workdir

__all__ = ["ListeningData", "Settings", "Wish", "Workdir", "evaluate", "graph", "opened", "recommender", "run"]

_HOMES = {
    "ListeningData": "colisten.listening.data",
    "Settings": "colisten.settings",
    "Wish": "colisten.serving.wishes",
    "Workdir": "colisten.workdir",
}


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "colisten.library")), name)
