"""Recent popularity: one number an item, the best answer to nobody in particular."""

from __future__ import annotations

import numpy as np

from colisten.arrays import Floats
from colisten.towers.listeners import Listeners

HALF_LIVES = (0, 365, 90, 30, 14)
"""Days after which a listening counts half, tried on validation; 0: never less."""
_DAY = 86_400


def log_popularity(listeners: Listeners, strong: int, items: int, half_life: int) -> Floats:
    """[items] log(1 + listeners), each listener counted by the age of their latest event on the item."""
    heard = listeners.keep(listeners.signals < strong)
    keys = heard.owners << 32 | heard.items
    order = np.lexsort((heard.timestamps, keys))
    last = order[np.diff(keys[order], append=-1) != 0]
    weights = np.ones(len(last))
    if half_life:
        age = heard.timestamps.max(initial=0) - heard.timestamps[last]
        weights = np.where(heard.timestamps[last] < 0, 1.0, 0.5 ** (age / (half_life * _DAY)))
    popularity: Floats = np.log1p(np.bincount(heard.items[last], weights, minlength=items)).astype(np.float32)
    return popularity
