"""Baselines by name, as `colisten evaluate --baselines` calls them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from colisten.arrays import Floats
from colisten.errors import SettingsError
from colisten.evaluation.baselines.als import ALS
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.ease import EASE
from colisten.evaluation.baselines.item_knn import ItemKNN
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.slim import SLIM
from colisten.evaluation.baselines.text_knn import TextKNN
from colisten.listening.data import ListeningData
from colisten.progress import Progress

_BY_LISTENING: dict[str, Callable[[], Baseline]] = {
    "popularity": Popularity,
    "recent": lambda: Popularity(days=30),
    "itemknn": ItemKNN,
    "ease": EASE,
    "slim": SLIM,
    "als": ALS,
}
NAMES = (*_BY_LISTENING, "textknn")
"""Every baseline there is."""


def choose(names: Sequence[str], text: Floats | None, progress: Progress) -> dict[str, Baseline]:
    """The baselines of those names; `all` is every one that this installation and the data allow, and says which not.

    `text`: float32 [items, width], what textknn compares; None: there is none.

    Raises:
        SettingsError: an unknown name, or one that cannot run here.
    """
    lacking = _lacking(text)
    if "all" in names:
        for name, reason in lacking.items():
            progress.say(f"Left out the baseline {name}: {reason}.")
        names = [name for name in NAMES if name not in lacking]
    for name in names:
        if name not in NAMES:
            raise SettingsError(f"There is no baseline {name!r}: choose among {', '.join(NAMES)} or all.")
        if name in lacking:
            raise SettingsError(f"The baseline {name} cannot run: {lacking[name]}.")
    return {name: TextKNN(text) if name == "textknn" and text is not None else _BY_LISTENING[name]() for name in names}


def _lacking(text: Floats | None) -> dict[str, str]:
    lacking = {}
    if text is None:
        lacking["textknn"] = "the working folder has no text features yet"
    if find_spec("implicit") is None:
        lacking["als"] = "it needs a further package, install colisten[baselines]"
    return lacking


def fit(baselines: dict[str, Baseline], data: ListeningData, progress: Progress) -> dict[str, Baseline]:
    """Fit each to `data`, in turn."""
    with progress.task("fitting baselines", total=len(baselines)) as task:
        for name, baseline in baselines.items():
            baseline.fit(data)
            task.advance(note=name)
    return baselines
