"""A hash of edges that their order does not change, the same from a table and from the server itself.

Each edge gives a number below 2³¹ - 1, by products that fit an int64 everywhere; the hash of edges is the sum.
"""

from __future__ import annotations

import polars as pl

_PRIME = 2_147_483_647
_SCALE = 4_503_599_627_370_496
"""2⁵²: makes an integer of a weight."""


def of_frame() -> pl.Expr:
    """The hash of edges as an aggregate over the columns `src`, `dst`, `listeners` and `weight`."""
    ends = (pl.col("src").cast(pl.Int64) * 48_271 + pl.col("dst").cast(pl.Int64) * 69_621 + 1) % _PRIME
    weight = (pl.col("weight").cast(pl.Float64) * float(_SCALE)).cast(pl.Int64) % _PRIME
    values = (pl.col("listeners").cast(pl.Int64) * 39_373 + weight) % _PRIME
    mixed = (ends * ends + values) % _PRIME
    return ((mixed * mixed + ends) % _PRIME).sum()


def in_cypher(src: str, edge: str, dst: str) -> str:
    """The same as Cypher clauses that follow a MATCH of these variables: `kind` (relationship type), `fingerprint`."""
    return f"""
        WITH type({edge}) AS kind, ({src}.item * 48271 + {dst}.item * 69621 + 1) % {_PRIME} AS ends,
             ({edge}.listeners * 39373 + toInteger({edge}.weight * {_SCALE}.0) % {_PRIME}) % {_PRIME} AS values
        WITH kind, ends, (ends * ends + values) % {_PRIME} AS mixed
        RETURN kind, sum((mixed * mixed + ends) % {_PRIME}) AS fingerprint
    """
