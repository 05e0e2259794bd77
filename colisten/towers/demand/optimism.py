"""Optimism in the face of uncertainty: what few have heard may be heard more than what is known of it says."""

from __future__ import annotations

import numpy as np

from colisten.arrays import Floats, Int64s


def optimistic(demand: Floats, listeners: Int64s, optimism: float) -> Floats:
    """[items] `demand`, its logarithm, and as much more as `optimism` / (1 + `listeners`).

    A forecast of an item that nobody has heard rests on its creator, series, texts and weak signals: the mean may be
    right, but lists of ten are made from the best, and one such item among many is a best that nobody can tell yet.
    """
    return np.asarray(demand + optimism / (1 + listeners), np.float32)
