"""Incremental (upsert/delete) writing of relationships: only what differs from a table of edges is written.

So a first load, a load that was cut short and a new day's data are the same work, and doing it twice writes nothing.
Items are taken in ranges, which bounds memory. One connection writes: several block one another on the records that
neighbouring relationships share (measured: deadlocks, and no gain on four cores).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from neo4j import Driver

from colisten.graph_store.edge_properties import PROPERTIES, assigned, collected, decoded, scan_edges
from colisten.graph_store.edge_summary import EDGE_TYPE
from colisten.graph_store.edge_type import EdgeType
from colisten.graph_store.failures import retried
from colisten.graph_store.schema import ITEM, PREDICTS, TypeFilter, quoted, relationship_of
from colisten.progress import Progress

FREQUENT = 20
"""Rows of a relationship type that are worth a statement of its own."""
_EDGES_COMPARED = 1_000_000
_LAST = 2**31 - 1
_PAIR = ("kind", "src", "dst")


@dataclass(frozen=True)
class EdgeChanges:
    """How many edges were written."""

    upserted: int = 0
    """Created, or given new properties."""
    deleted: int = 0

    def __add__(self, other: EdgeChanges) -> EdgeChanges:
        return EdgeChanges(self.upserted + other.upserted, self.deleted + other.deleted)


@dataclass(frozen=True)
class Relationships:
    """What the database is to hold of some relationship types."""

    edges: pl.LazyFrame
    """`kind` (the relationship type), `src`, `dst` (items) and the properties."""
    properties: tuple[str, ...]
    stored: Sequence[str]
    """Relationship types that may be in the database already; what is not among `edges` is deleted."""

    def write(self, driver: Driver, database: str, *, batch: int, progress: Progress) -> EdgeChanges:
        """Make the relationships in the database these."""
        changes = EdgeChanges()
        with progress.task("edges to Neo4j", total=self.edges.select(pl.len()).collect().item()) as task:
            for first, last in _ranges(self.edges):
                wanted = self.edges.filter(pl.col("src").is_between(first, last)).collect(engine="streaming")
                changes += self._write_range(
                    driver, database, wanted, self._stored(driver, database, first, last), batch
                )
                task.advance(wanted.height, f"({changes.upserted:,} written, {changes.deleted:,} deleted)")
        return changes

    def _stored(self, driver: Driver, database: str, first: int, last: int) -> pl.DataFrame:
        """The edges that the database holds of a range of source items."""
        # One record per item and type rather than per edge: records are what the driver is slow at.
        values, types = ", ".join(collected("r", name) for name in self.properties), TypeFilter(tuple(self.stored))
        query = f"""
            MATCH (a:{ITEM})-[r{types.pattern}]->(b:{ITEM})
            {types.where("r", "$first <= a.item <= $last")}
            RETURN type(r), a.item, collect(b.item), {values}
        """
        with driver.session(database=database) as session:
            rows = session.run(query, {"first": first, "last": last, **types.parameters}).values()
        lists = {name: pl.List(PROPERTIES[name]) for name in self.properties}
        schema = {"kind": pl.String(), "src": pl.Int32(), "dst": pl.List(pl.Int32), **lists}
        found = pl.DataFrame(rows, schema, orient="row")
        return found.explode("dst", *self.properties).with_columns(map(decoded, self.properties))

    def _write_range(
        self, driver: Driver, database: str, wanted: pl.DataFrame, stored: pl.DataFrame, batch: int
    ) -> EdgeChanges:
        changed = wanted.join(stored, on=(*_PAIR, *self.properties), how="anti", nulls_equal=True)
        vanished = stored.join(wanted, on=_PAIR, how="anti")
        match = f"""
            UNWIND range(0, size($src) - 1) AS i
            MATCH (a:{ITEM} {{item: $src[i]}}) MATCH (b:{ITEM} {{item: $dst[i]}})
        """
        _write(driver, database, match + "MATCH (a)-[r:{kind}]->(b) DELETE r", vanished, batch)
        values = ", ".join(assigned("r", name, f"${name}[i]") for name in self.properties)
        _write(driver, database, match + "MERGE (a)-[r:{kind}]->(b) SET " + values, changed, batch)
        return EdgeChanges(changed.height, vanished.height)


def edge_relationships(edges: Path, stored: Sequence[str]) -> Relationships:
    """The relationships of an edges file: one relationship type per pair of item types and relation."""
    scan = scan_edges(pl.scan_parquet(edges, glob=False))
    found = scan.select(EDGE_TYPE).unique().collect(engine="streaming").rows()
    named = scan.join(relationship_names([EdgeType(*names) for names in found], "kind"), on=EDGE_TYPE)
    return Relationships(named.select(*_PAIR, *PROPERTIES), tuple(PROPERTIES), stored)


def relationship_names(edge_types: Iterable[EdgeType], column: str) -> pl.LazyFrame:
    """A table that gives each edge type (`EDGE_TYPE`) its relationship type in `column`."""
    rows = [(*edge_type, relationship_of(edge_type)) for edge_type in edge_types]
    return pl.LazyFrame(rows, dict.fromkeys((*EDGE_TYPE, column), pl.String), orient="row")


def item_weight_relationships(weights: Path) -> Relationships:
    """The relationships of item–item weights."""
    scan = pl.scan_parquet(weights, glob=False).select(pl.lit(PREDICTS).alias("kind"), "src", "dst", "weight")
    return Relationships(scan, ("weight",), (PREDICTS,))


def _ranges(edges: pl.LazyFrame) -> Iterator[tuple[int, int]]:
    """Ranges of source items, all numbers covered, each of about `_EDGES_COMPARED` edges."""
    counts = edges.group_by("src").len().sort("src").collect(engine="streaming")
    part = counts["len"].cum_sum().to_numpy() // _EDGES_COMPARED
    ends = [*counts["src"].to_numpy()[:-1][np.diff(part) > 0].tolist(), _LAST]
    yield from zip([0, *(end + 1 for end in ends)], ends, strict=False)


def _write(driver: Driver, database: str, query: str, edges: pl.DataFrame, batch: int) -> None:
    """Run `query`, in which {kind} stands for the relationship type, on the columns of `edges`, by `batch` rows.

    A type of many rows is named in a statement of its own. Rows of rare types go together: the server then looks each
    row's type up, at a millisecond a row, where thousands of statements would have to be planned.
    """
    ordered = edges.sort(_PAIR)
    frequent = pl.len().over("kind") >= FREQUENT
    for (kind,), rows in ordered.filter(frequent).group_by("kind", maintain_order=True):
        for piece in rows.drop("kind").iter_slices(batch):
            _run(driver, database, query.replace("{kind}", quoted(str(kind))), piece)
    for piece in ordered.filter(~frequent).iter_slices(batch):
        _run(driver, database, query.replace("{kind}", "$($kind[i])"), piece)


def _run(driver: Driver, database: str, query: str, rows: pl.DataFrame) -> None:
    given = rows.to_dict(as_series=False)
    retried(lambda: driver.execute_query(query, given, database_=database))
