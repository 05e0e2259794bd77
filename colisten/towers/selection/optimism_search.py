"""How much room new items get: as much as validation, which has new items in it, gives for next to nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from colisten.arrays import Int64s
from colisten.towers.selection.ranking_task import TYPICAL_GAIN, RankingTask, Scorer

OPTIMISM = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""What may be added to the logarithm of demand of an item that nobody has heard."""
MIN_NEW = 0.01
"""Share of hidden pairs on items that nobody had heard, below which validation cannot tell."""


def choose_optimism(task: RankingTask, listeners: Int64s, mixed_with: Callable[[float], Scorer]) -> float:
    """The largest optimism that costs no more than a typical change of a hyper-parameter, `TYPICAL_GAIN` of the NDCG.

    Validation looks fewer days ahead than answers may serve, and what is hidden in it was found without them: it sees
    a part of what new items are good for.

    Args:
        task: the validation task.
        listeners: [candidates] so far.
        mixed_with: gives the whole mix with so much optimism.
    """
    if float(np.mean(listeners[task.truth.items] == 0)) < MIN_NEW:
        return 0.0
    least, chosen = (1 - TYPICAL_GAIN) * float(task.ndcg(mixed_with(0)).mean()), 0.0
    for optimism in OPTIMISM:
        if float(task.ndcg(mixed_with(optimism)).mean()) < least:
            break
        chosen = optimism
    return chosen
