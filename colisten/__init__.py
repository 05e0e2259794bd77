"""Colisten: the open recommender for audiobooks, podcasts and whatever a platform adds next.

>>> import colisten
>>> colisten.Query(k=3).k
3
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from colisten.api import evaluate, graph, opened, recommender, run
    from colisten.listening.data import ListeningData
    from colisten.serving.query import Query
    from colisten.settings import Settings
    from colisten.workdir import Workdir

__all__ = ["ListeningData", "Query", "Settings", "Workdir", "evaluate", "graph", "opened", "recommender", "run"]

_HOMES = {
    "ListeningData": "colisten.listening.data",
    "Settings": "colisten.settings",
    "Query": "colisten.serving.query",
    "Workdir": "colisten.workdir",
}


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "colisten.api")), name)
