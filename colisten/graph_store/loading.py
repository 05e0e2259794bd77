"""Loading the graph into Neo4j: by difference, resumable, verified against the edges file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl
from neo4j import Driver

from colisten.errors import GraphError
from colisten.graph_store.connection import open_driver
from colisten.graph_store.edge_difference import EdgeChanges, edge_relationships, item_weight_relationships
from colisten.graph_store.edge_summary import EdgeSummary, summarise
from colisten.graph_store.failures import as_graph_error
from colisten.graph_store.importing import import_graph
from colisten.graph_store.marker import (
    Marker,
    claim,
    complete,
    read_marker,
    remove_former_types,
    remove_graph,
    require_marker,
)
from colisten.graph_store.node_difference import is_same_catalogue, write_nodes
from colisten.graph_store.nodes import digest, graph_version, nodes_of
from colisten.graph_store.schema import ensure_schema, stored_relationships
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.store_files import has_store, open_store
from colisten.graph_store.verifying import has_counts, verify
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Neo4jSettings, Settings
from colisten.workdir import Workdir

IMPORT_FROM = 250_000
"""Edges from which the offline importer pays for its start (`benchmarks/graph_load.py`)."""
_IMPORT_FROM_TYPES = 1_000
"""Edge types from which it does, since a transaction makes each new relationship type on its own."""


@dataclass(frozen=True)
class LoadSummary:
    """What a load did."""

    method: Literal["unchanged", "import", "transactions"]
    marker: Marker
    items: int
    """Items created or updated."""
    edges: EdgeChanges
    seconds: float


@dataclass(frozen=True)
class _Wanted:
    """What the database is to hold."""

    nodes: pl.DataFrame
    edges: Path
    summary: EdgeSummary
    marker: Marker


def load_graph(
    data: ListeningData, edges: Path, settings: Settings, workdir: Workdir, progress: Progress, *, replace: bool = False
) -> LoadSummary:
    """Make the graph in Neo4j that of `data` and of the edges file `edges`, and check that it is.

    Only what differs is written, so a load that was cut short is resumed; until it ends, `read_marker` gives
    None. A first, large load into the managed server goes through the offline importer. `replace` removes a graph of
    another catalogue first (the managed server's always may be); nodes of others are never touched.

    Raises:
        GraphError: Neo4j cannot be used, holds another program's data or another catalogue, or differs afterwards.
        OutOfSpaceError: a disk is full.
    """
    started = time.monotonic()
    wanted = _wanted(data, edges)
    managed = settings.neo4j.uri is None
    with as_graph_error("the graph was loaded"):
        imported = managed and _import_if_empty(wanted, settings, workdir, progress)
        with open_driver(settings, workdir, progress) as driver:
            if not imported and _is_loaded(driver, settings.neo4j.database, wanted.marker):
                return LoadSummary("unchanged", wanted.marker, 0, EdgeChanges(), time.monotonic() - started)
            relations = _make_room(driver, settings.neo4j.database, wanted, replace=replace or managed)
            if imported:
                items, changes = wanted.nodes.height, EdgeChanges(upserted=wanted.summary.total)
            else:
                items, changes = _write_difference(driver, settings.neo4j, wanted, relations, progress)
            _finish(driver, settings.neo4j, wanted, relations, progress)
    method: Literal["import", "transactions"] = "import" if imported else "transactions"
    return LoadSummary(method, wanted.marker, items, changes, time.monotonic() - started)


def load_item_weights(weights: Path, settings: Settings, workdir: Workdir, progress: Progress) -> EdgeChanges:
    """Write item–item weights as PREDICTS relationships beside the edges, by difference.

    `weights` is `W/towers/weights.parquet`: `src`, `dst` (items), `weight`.

    Raises:
        GraphError: Neo4j cannot be used, or holds no whole graph.
    """
    database, batch = settings.neo4j.database, settings.neo4j.batch
    with as_graph_error("item–item weights were written"), open_driver(settings, workdir, progress) as driver:
        require_marker(driver, database)
        return item_weight_relationships(weights).write(driver, database, batch=batch, progress=progress)


def _wanted(data: ListeningData, edges: Path) -> _Wanted:
    nodes = nodes_of(data)
    summary = summarise(pl.scan_parquet(edges, glob=False), data)
    marker = Marker(
        version=graph_version(nodes, summary.fingerprint),
        catalogue=digest(nodes),
        built_at=datetime.now(UTC),
        items=dict(nodes.group_by("item_type").len().sort("item_type").rows()),
        edges=summary.edges,
        fingerprint=summary.fingerprint,
    )
    return _Wanted(nodes, edges, summary, marker)


def _import_if_empty(wanted: _Wanted, settings: Settings, workdir: Workdir, progress: Progress) -> bool:
    """Import offline if that is faster; false if nothing was done."""
    server, database = ManagedServer(workdir.neo4j, settings.neo4j, progress), settings.neo4j.database
    stored = has_store(server, database)
    if stored:
        open_store(server, database, progress)
    if wanted.summary.total < IMPORT_FROM and len(wanted.summary.edges) < _IMPORT_FROM_TYPES:
        return False
    if stored:
        with open_driver(settings, workdir, progress) as driver:
            if driver.execute_query("MATCH (n) RETURN n LIMIT 1", database_=database).records:
                return False
    import_graph(server, database, wanted.nodes, wanted.edges, tuple(wanted.marker.edges), progress)
    return True


def _is_loaded(driver: Driver, database: str, marker: Marker) -> bool:
    known = read_marker(driver, database)
    same = known and (known.version, known.catalogue) == (marker.version, marker.catalogue)
    return bool(same) and has_counts(driver, database, marker)


def _make_room(driver: Driver, database: str, wanted: _Wanted, *, replace: bool) -> tuple[str, ...]:
    """Claim the database for this catalogue, before anything is written; returns the relations that it may hold."""
    relations = claim(driver, database, wanted.marker.relations)
    remove_former_types(driver, database)
    if not is_same_catalogue(driver, database, wanted.nodes):
        if not replace:
            raise GraphError(
                f"The Neo4j database {database!r} holds the co-listening graph of another catalogue: set "
                "neo4j.database to another one, or load with --replace to put this graph in its place."
            )
        remove_graph(driver, database)
        claim(driver, database, wanted.marker.relations)
    ensure_schema(driver, database)
    return relations


def _write_difference(
    driver: Driver, options: Neo4jSettings, wanted: _Wanted, relations: Sequence[str], progress: Progress
) -> tuple[int, EdgeChanges]:
    items = write_nodes(driver, options.database, wanted.nodes, batch=options.batch, progress=progress)
    edges = edge_relationships(wanted.edges, stored_relationships(driver, options.database, relations))
    return items, edges.write(driver, options.database, batch=options.batch, progress=progress)


def _finish(
    driver: Driver, options: Neo4jSettings, wanted: _Wanted, relations: Sequence[str], progress: Progress
) -> None:
    verify(
        driver, options.database, wanted.marker, wanted.summary, relations,
        connections=options.connections, progress=progress,
    )  # fmt: skip
    complete(driver, options.database, wanted.marker)
