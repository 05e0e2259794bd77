"""Properties of edges: columns of an edges file, properties of relationships in Neo4j. One that is null is not stored.

| property | of | what |
|---|---|---|
| `listeners` | co-listening | how many listeners the two items share |
| `weight` | every relation | strength, in (0, 1] |
| `last` | co-listening | when somebody last listened to both; in a file in epoch seconds, in Neo4j a datetime |
| `step` | same series | by how many places dst comes behind src |
"""

from __future__ import annotations

import polars as pl

SCHEMA = {
    "src": pl.Int32, "dst": pl.Int32, "src_type": pl.String, "relation": pl.String, "dst_type": pl.String,
    "listeners": pl.Int32, "weight": pl.Float32, "last": pl.Int64, "step": pl.Float32,
}  # fmt: skip
"""The columns of an edges file."""
PROPERTIES = {name: SCHEMA[name]() for name in ("listeners", "weight", "last", "step")}
"""Name and type of each."""
_ABSENT = -1
"""Stands for an integer that is not there, since Cypher's `collect` would drop a null; for a float, NaN does."""


def scan_edges(edges: pl.LazyFrame) -> pl.LazyFrame:
    """Edges with every column of an edges file; a property that has no column is null."""
    missing = PROPERTIES.keys() - set(edges.collect_schema().names())
    return edges.with_columns(pl.lit(None, PROPERTIES[name]).alias(name) for name in sorted(missing))


def stored_value(edge: str, name: str) -> str:
    """A property of the relationship `edge` as Cypher that gives the number in the file, null where it is not there."""
    return f"{edge}.last.epochSeconds" if name == "last" else f"{edge}.{name}"


def collected(edge: str, name: str) -> str:
    """The property of many relationships as one list in Cypher, as long as they are many; see `decoded`."""
    absent = "0.0 / 0.0" if PROPERTIES[name].is_float() else _ABSENT
    return f"collect(coalesce({stored_value(edge, name)}, {absent}))"


def decoded(name: str) -> pl.Expr:
    """The column `name`, read by `collected`, with nulls again."""
    column = pl.col(name)
    return column.fill_nan(None) if PROPERTIES[name].is_float() else column.replace(_ABSENT, None)


def assigned(edge: str, name: str, value: str) -> str:
    """The assignment, in Cypher, of a number as it is in the file; null takes the property away."""
    if name == "last":
        value = f"CASE WHEN {value} IS NULL THEN null ELSE datetime({{epochSeconds: {value}}}) END"
    return f"{edge}.{name} = {value}"
