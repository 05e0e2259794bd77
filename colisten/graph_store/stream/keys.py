"""Counter-based random numbers: a choice is a function of its key, not of the order of computation.

A batch has one key. Each node's draw in each hop has a key made of it, so the same batch comes out of any back end,
in whatever order rows arrive, on however many threads. The mixing function is SplitMix64 (Steele, Lea & Flood, 2014).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from colisten.arrays import Bools, Int64s
from colisten.compiled import compiled

Keys = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@compiled
def mix(key: np.uint64) -> np.uint64:
    """Spread the bits of `key` over all 64."""
    key = np.uint64(key) + _STEP
    key = (key ^ (key >> np.uint64(30))) * _MIX_1
    key = (key ^ (key >> np.uint64(27))) * _MIX_2
    return key ^ (key >> np.uint64(31))


@compiled
def below(key: np.uint64, bound: int) -> np.int64:
    """An integer in [0, bound), bound < 2³²; the bias is below bound / 2³²."""
    return np.int64(((key >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


@compiled
def unit(key: np.uint64) -> float:
    """A number in [0, 1)."""
    return float(key >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@compiled
def pair_hash(first: int, second: int, seed: int) -> np.uint64:
    """The same for (a, b) as for (b, a)."""
    low = np.uint64(min(first, second))
    high = np.uint64(max(first, second))
    return mix(mix(mix(np.uint64(seed)) ^ low) ^ high)


@compiled
def _held_out(src: Int64s, dst: Int64s, limit: float, seed: int) -> Bools:
    out = np.empty(len(src), np.bool_)
    for i in range(len(src)):
        out[i] = unit(pair_hash(src[i], dst[i], seed)) < limit
    return out


def held_out(src: Int64s, dst: Int64s, share: float, seed: int) -> Bools:
    """Whether each edge belongs to the held-out `share` of all edges.

    A property of the edge and `seed` alone, the same in both directions: nothing has to be stored, and new edges
    do not move old ones across.
    """
    return _held_out(np.asarray(src, np.int64), np.asarray(dst, np.int64), share, seed)


def key_of(rng: np.random.Generator) -> np.uint64:
    """One key from `rng`: all that a batch takes from it."""
    return np.uint64(rng.integers(0, 2**64, dtype=np.uint64))
