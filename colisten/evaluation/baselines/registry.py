"""The baselines by name, as `colisten evaluate --baselines` takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec

from colisten.arrays import Floats
from colisten.errors import SettingsError
from colisten.evaluation.baselines.als import ALS
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.ease import EASE
from colisten.evaluation.baselines.hybrid import Hybrid
from colisten.evaluation.baselines.item_knn import ItemKNN
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.baselines.slim import SLIM
from colisten.evaluation.baselines.text_knn import TextKNN
from colisten.listening.data import ListeningData
from colisten.progress import Progress

_COLLABORATIVE: dict[str, Callable[[], Baseline]] = {
    "popularity": Popularity,
    "recent": lambda: Popularity(days=30),
    "itemknn": ItemKNN,
    "ease": EASE,
    "slim": SLIM,
    "als": ALS,
}
_BY_TEXT: dict[str, Callable[[Floats], Baseline]] = {"textknn": TextKNN, "hybrid": Hybrid}
NAMES = (*_COLLABORATIVE, *_BY_TEXT)
"""Every baseline there is."""


def make_baselines(names: Sequence[str], text: Floats | None, progress: Progress) -> dict[str, Baseline]:
    """The baselines of those names, not fitted yet; `all`: every one that installation and data allow.

    `text`: float32 [items, width], what textknn and hybrid compare; None: there is none.

    Raises:
        SettingsError: an unknown name, or one that cannot run here.
    """
    skip_reasons = _skip_reasons(text)
    if "all" in names:
        for name, reason in skip_reasons.items():
            progress.say(f"Left out the baseline {name}: {reason}.")
        names = [name for name in NAMES if name not in skip_reasons]
    for name in names:
        if name not in NAMES:
            raise SettingsError(f"There is no baseline {name!r}: choose among {', '.join(NAMES)} or all.")
        if name in skip_reasons:
            raise SettingsError(f"The baseline {name} cannot run: {skip_reasons[name]}.")
    by_text = {} if text is None else {name: partial(make, text) for name, make in _BY_TEXT.items()}
    every = _COLLABORATIVE | by_text
    return {name: every[name]() for name in names}


def _skip_reasons(text: Floats | None) -> dict[str, str]:
    """Why some baselines cannot run, by name."""
    reasons = {}
    if text is None:
        reasons = dict.fromkeys(_BY_TEXT, "the working folder has no text features yet")
    if find_spec("implicit") is None:
        reasons["als"] = "it needs a further package, install colisten[baselines]"
    return reasons


def fit_baselines(baselines: Mapping[str, Baseline], data: ListeningData, progress: Progress) -> dict[str, Baseline]:
    """Fit each to `data`, in turn."""
    with progress.task("fitting baselines", total=len(baselines)) as task:
        for name, baseline in baselines.items():
            baseline.fit(data)
            task.advance(note=name)
    return dict(baselines)
