"""Weak signals after which nobody listens: "not for me" in all but name.

The paper measures what a signal does to the odds of a later stream (Appendix B). A signal whose holders hardly ever
have the strong one on the same item, though chance alone would bring it about often, is no interest but a verdict, and
its items are not worth a place in the list.
"""

from __future__ import annotations

import numpy as np

from colisten.arrays import Bools, Codes
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import ANY, UserItemPairs, pairs_of

MIN_EXPECTED = 30
"""Pairs that chance must explain before a signal is judged."""
LIFT = 0.05
"""A signal is ruled out below this share of what chance brings."""


def negative_signals(histories: UserHistories, strong: int, signals: int, items: int) -> tuple[int, ...]:
    """Codes of the weak signals whose items are not to be recommended to those who gave them."""
    heard = pairs_of(histories, strong)
    return tuple(code for code in range(strong, signals) if _never_heard(histories, heard, code, items))


def left_out(signals: Codes, strong: int, negative_signals: tuple[int, ...]) -> Bools:
    """[events] is the event's item, heard or ruled out, never recommended to its user?"""
    return (signals < strong) | np.isin(signals, negative_signals)


def _never_heard(histories: UserHistories, heard: UserItemPairs, code: int, items: int) -> bool:
    given = pairs_of(histories.keep(histories.signals == code), ANY)
    if not len(given) or not len(heard):
        return False
    listens = np.bincount(heard.users, minlength=len(histories))[given.users]
    popularity = np.bincount(heard.items, minlength=items)[given.items]
    expected = float((listens * (popularity / len(heard))).sum())
    both = int(np.isin(given.keys, heard.keys).sum())
    return expected >= MIN_EXPECTED and both < LIFT * expected
