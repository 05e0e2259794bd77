"""Weak signals with near-zero lift: their items are hardly ever listened to afterwards, so they are not recommended.

The paper measures what a signal does to the odds of a later stream (Appendix B). A signal whose holders hardly ever
have the strong one on the same item, though chance alone would bring it about often, is no interest but a verdict, and
its items are not worth a place in the list.
"""

from __future__ import annotations

import numpy as np

from colisten.arrays import Bools, Codes
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import UserItemPairs, given_pairs, pairs_of

MIN_EXPECTED = 30
"""Pairs that chance must explain before a signal is judged."""
LIFT = 0.05
"""A signal is ruled out below this share of what chance brings."""


def negative_signals(histories: UserHistories, strong: int, signals: int, items: int) -> tuple[int, ...]:
    """Codes of the weak signals whose items are not to be recommended to those who gave them."""
    streams = pairs_of(histories, strong)
    return tuple(code for code in range(strong, signals) if _near_zero_lift(histories, streams, code, items))


def left_out(signals: Codes, strong: int, negative_signals: tuple[int, ...]) -> Bools:
    """[events] whether the event's item is not recommended to its user: streamed, or given a negative signal."""
    return (signals < strong) | np.isin(signals, negative_signals)


def _near_zero_lift(histories: UserHistories, streams: UserItemPairs, code: int, items: int) -> bool:
    given = given_pairs(histories, code)
    if not len(given) or not len(streams):
        return False
    listens = np.bincount(streams.users, minlength=len(histories))[given.users]
    popularity = np.bincount(streams.items, minlength=items)[given.items]
    expected = float((listens * (popularity / len(streams))).sum())
    both = int(np.isin(given.keys, streams.keys).sum())
    return expected >= MIN_EXPECTED and both < LIFT * expected
