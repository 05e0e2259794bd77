"""Weak signals with near-zero lift: their items are hardly ever listened to afterwards, so they are not recommended.

The paper measures what a signal does to the odds of a later stream (Appendix B). A signal whose holders hardly ever
have the strong one on the same item, though chance alone would bring it about often, is no interest but a verdict, and
its items are not worth a place in the list.
"""

from __future__ import annotations

import numpy as np

from colisten.arrays import Bools, Codes
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import given_pairs, pairs_of

MIN_EXPECTED = 30
"""Pairs that chance must explain before a signal is judged."""
LIFT = 0.05
"""A signal is ruled out below this share of what chance brings."""


def negative_signals(histories: UserHistories, strong: int, signals: int, items: int) -> tuple[int, ...]:
    """Codes of the weak signals whose items are not to be recommended to those who gave them.

    By chance, somebody who streams n items would have streamed a signalled one with a chance of n times its share of
    all streams.
    """
    codes = range(strong, signals)
    popularity, listens_of = np.zeros(items), {code: np.zeros(items) for code in codes}
    both = dict.fromkeys(codes, 0)
    for _, some in histories.shards():
        streams = pairs_of(some, strong)
        listens = np.bincount(streams.users, minlength=len(some))
        popularity += np.bincount(streams.items, minlength=items)
        for code in codes:
            given = given_pairs(some, code)
            listens_of[code] += np.bincount(given.items, listens[given.users], minlength=items)
            both[code] += int(np.isin(given.keys, streams.keys).sum())
    chance = popularity / max(popularity.sum(), 1)
    expected = {code: float(weights @ chance) for code, weights in listens_of.items()}
    return tuple(code for code in codes if expected[code] >= MIN_EXPECTED and both[code] < LIFT * expected[code])


def left_out(signals: Codes, strong: int, negative_signals: tuple[int, ...]) -> Bools:
    """[events] whether the event's item is not recommended to its user: streamed, or given a negative signal."""
    return (signals < strong) | np.isin(signals, negative_signals)
