"""Weak signals after which nobody listens: "not for me" in all but name.

The paper measures what a signal does to the odds of a later stream (Appendix B). A signal whose holders hardly ever
have the strong one on the same item, though chance alone would bring it about often, is no interest but a verdict, and
its items are not worth a place in the list.
"""

from __future__ import annotations

import numpy as np

from colisten.towers.batches import ANY, Pairs, pairs_of
from colisten.towers.listeners import Listeners

LEAST_EXPECTED = 30
"""Pairs that chance must explain before a signal is judged."""
LIFT = 0.05
"""A signal is ruled out below this share of what chance brings."""


def ruled_out(listeners: Listeners, strong: int, signals: int, items: int) -> tuple[int, ...]:
    """Codes of the weak signals whose items are not to be recommended to those who gave them."""
    heard = pairs_of(listeners, strong)
    return tuple(code for code in range(strong, signals) if _never_heard(listeners, heard, code, items))


def _never_heard(listeners: Listeners, heard: Pairs, code: int, items: int) -> bool:
    given = pairs_of(listeners.keep(listeners.signals == code), ANY)
    if not len(given) or not len(heard):
        return False
    listens = np.bincount(heard.users, minlength=len(listeners))[given.users]
    popularity = np.bincount(heard.items, minlength=items)[given.items]
    expected = float((listens * (popularity / len(heard))).sum())
    both = int(np.isin(given.users << 32 | given.items, heard.users << 32 | heard.items).sum())
    return expected >= LEAST_EXPECTED and both < LIFT * expected
