"""How much listening counts by its age."""

from __future__ import annotations

import numpy as np

from colisten.arrays import Floats, Int64s

_DAY = 86_400


def freshness(times: Int64s, now: int, half_life: float) -> Floats:
    """1 now, half of it `half_life` days before; 1 where the time is unknown (-1)."""
    recent: Floats = np.where(times < 0, 1.0, 0.5 ** ((now - times) / (half_life * _DAY))).astype(np.float32)
    return recent
