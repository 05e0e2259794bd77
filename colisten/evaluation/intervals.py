"""Standard errors and bootstrap intervals of means over users."""

from __future__ import annotations

import numpy as np

from colisten.arrays import Floats64

_BYTES = 64 << 20


def standard_error(values: Floats64) -> Floats64:
    """σ / √n of each column of [users, m].

    >>> float(standard_error(np.array([[0.0], [1.0], [1.0], [0.0]]))[0])
    0.25
    """
    return np.asarray(values.std(axis=0) / np.sqrt(len(values)))


def bootstrap(values: Floats64, draws: int, rng: np.random.Generator) -> Floats64:
    """Means of `draws` resamples of the users (rows), [draws, m]: every column sees the same resamples.

    The difference of two columns of the result is the paired bootstrap of their difference. Memory stays under
    64 MiB beside the result.

    >>> bootstrap(np.ones((3, 2)), draws=2, rng=np.random.default_rng(7)).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    n = len(values)
    block = max(1, _BYTES // (8 * n))
    even = np.full(n, 1 / n)
    parts = [rng.multinomial(n, even, size=min(block, draws - done)) @ values for done in range(0, draws, block)]
    return np.concatenate(parts) / n


def interval(means: Floats64, level: float = 0.95) -> tuple[Floats64, Floats64]:
    """Percentile interval of each column of resampled means.

    >>> low, high = interval(np.arange(101.0)[:, None], level=0.9)
    >>> round(float(low[0])), round(float(high[0]))
    (5, 95)
    """
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
