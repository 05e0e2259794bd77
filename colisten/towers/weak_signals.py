"""How much a weak signal on an item says of the item itself: how often those who give it come to stream it.

An item that somebody followed or previewed is likelier to be streamed by them than any other. The other parts cannot
say so: item–item weights never lead from an item to itself, and the towers see the mean of all signalled items.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import given_pairs, pairs_of
from colisten.towers.item_matrix import ItemMatrix

_SHRINK = 100.0
"""Pairs without a stream that are added to those seen: little evidence is little interest."""


def conversion_rates(
    histories: UserHistories, strong: int, signals: int, negative_signals: tuple[int, ...]
) -> dict[int, float]:
    """Share of the pairs with a weak signal that have a strong one as well, by code, the largest being 1.

    Negative signals and those that nobody streams after are left out.
    """
    counts = {code: np.zeros(2, np.int64) for code in range(strong, signals) if code not in negative_signals}
    for _, some in histories.shards():
        streams = pairs_of(some, strong)
        for code, count in counts.items():
            given = given_pairs(some, code)
            count += len(given), int(np.isin(given.keys, streams.keys).sum())
    rates = {code: both / (given + _SHRINK) for code, (given, both) in counts.items() if both}
    return {code: rate / max(rates.values()) for code, rate in rates.items()}


def diagonal(items: int, rate: float) -> ItemMatrix:
    """Every item speaks for itself alone."""
    everything = np.arange(items + 1, dtype=np.int64)
    return ItemMatrix(everything, everything[:-1].astype(np.int32), np.full(items, rate, np.float32))


def weak_signal_scores(histories: UserHistories, rates: Mapping[int, float], candidates: Int64s, items: int) -> Floats:
    """[users, candidates] the sum of the rates of the signals that the user gave each."""
    place = np.full(items, -1)
    place[candidates] = np.arange(len(candidates))
    scores = np.zeros((len(histories), len(candidates)), np.float32)
    for code, rate in rates.items():
        given = given_pairs(histories, code)
        given = given.where(place[given.items] >= 0)
        scores[given.users, place[given.items]] += np.float32(rate)
    return scores
