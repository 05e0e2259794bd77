"""A hash of edges that their order does not change, the same from a table and from the server itself.

Each edge gives a number below 2³¹ - 1, by products that fit an int64 everywhere; the hash of edges is the sum.
"""

from __future__ import annotations

import polars as pl

from colisten.graph_store.edge_properties import PROPERTIES, stored_value

_PRIME = 2_147_483_647
_SCALE = 2_251_799_813_685_248
"""2⁵¹: makes an integer of a float."""
_FACTORS = {"listeners": 39_373, "last": 40_692, "weight": 1, "step": 40_014}
"""Of the properties. A factor times `_PRIME` fits an int64."""


def of_frame() -> pl.Expr:
    """The hash of edges as an aggregate over `src`, `dst` and the properties (`edge_properties.PROPERTIES`)."""
    ends = (pl.col("src").cast(pl.Int64) * 48_271 + pl.col("dst").cast(pl.Int64) * 69_621 + 1) % _PRIME
    values = pl.sum_horizontal(_number(name) % _PRIME * factor for name, factor in _FACTORS.items())
    mixed = (ends * ends + values) % _PRIME
    return ((mixed * mixed + ends) % _PRIME).sum()


def _number(name: str) -> pl.Expr:
    """A property as an integer above 0; 0 where it is not known."""
    value = pl.col(name)
    if PROPERTIES[name].is_float():
        value = value.cast(pl.Float64)
        value = (value / (1 + value.abs()) + 1) * float(_SCALE)
    return (value.cast(pl.Int64) + 1).fill_null(0)


def in_cypher(src: str, edge: str, dst: str) -> str:
    """The same as Cypher clauses that follow a MATCH of these variables: `kind` (relationship type), `fingerprint`."""
    values = " + ".join(f"{_cypher_number(edge, name)} % {_PRIME} * {factor}" for name, factor in _FACTORS.items())
    return f"""
        WITH type({edge}) AS kind, ({src}.item * 48271 + {dst}.item * 69621 + 1) % {_PRIME} AS ends, {values} AS values
        WITH kind, ends, (ends * ends + values) % {_PRIME} AS mixed
        RETURN kind, sum((mixed * mixed + ends) % {_PRIME}) AS fingerprint
    """


def _cypher_number(edge: str, name: str) -> str:
    value = stored_value(edge, name)
    if PROPERTIES[name].is_float():
        value = f"toInteger(({value} / (1.0 + abs({value})) + 1.0) * {_SCALE}.0)"
    return f"coalesce({value} + 1, 0)"
