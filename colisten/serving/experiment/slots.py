"""ε-greedy exploration of an answer's slots, with exact propensities.

Of the `m` best items of a user, 1 … m, an answer shows the first `k`. Each of its slots is drawn free with probability
ε, independently. A slot that is not free shows its own item; the free ones are filled with items drawn uniformly,
without replacement, from all that the others do not show: m − k + f of them, where f slots are free.

So the probability that slot j shows item a, over all that may be drawn, is with B(n) ~ Binomial(n, ε)

    q₁ = E[1 / (m − k + 1 + B(k − 1))],  q₂ = E[1 / (m − k + 2 + B(k − 2))]

    1 − ε + ε q₁    its own item, a = j
    ε² q₂           the item of another slot, a ≤ k: that one has to be free as well
    ε q₁            any other item of the pool, a > k

Every item of the pool has a chance at every slot, so orders can be compared too; the expected number of slots that
change is below ε k.
"""

from __future__ import annotations

import math

import numpy as np

from colisten.arrays import Floats64, Int64s


def draw_slots(answers: int, k: int, pool: int, epsilon: float, rng: np.random.Generator) -> Int64s:
    """[answers, k] which of the `pool` ≥ k best items each slot shows, from 0."""
    own = np.arange(k)
    free = rng.random((answers, k)) < epsilon
    chance = rng.random((answers, pool))
    chance[:, :k][~free] = np.inf
    drawn = np.argsort(chance, axis=1)[:, :k]
    return np.where(free, np.take_along_axis(drawn, np.cumsum(free, axis=1) - 1, axis=1), own)


def propensities(slots: Int64s, pool: int, epsilon: float) -> Floats64:
    """[answers, k] probability that each slot shows what it does, given what `draw_slots` has drawn."""
    k = slots.shape[1]
    others = pool - k
    elsewhere = epsilon * _expected_inverse(others + 1, k - 1, epsilon)
    swapped = epsilon**2 * _expected_inverse(others + 2, k - 2, epsilon) if k > 1 else 0.0
    own = slots == np.arange(k)
    return np.where(own, 1 - epsilon + elsewhere, np.where(slots < k, swapped, elsewhere))


def _expected_inverse(least: int, trials: int, epsilon: float) -> float:
    """E[1 / (least + B)] for B ~ Binomial(trials, ε)."""
    terms = (math.comb(trials, n) * epsilon**n * (1 - epsilon) ** (trials - n) / (least + n) for n in range(trials + 1))
    return math.fsum(terms)
