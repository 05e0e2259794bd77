"""Neo4j checks: server, memory, whether the graph is complete, indexed, and that of this folder."""

from __future__ import annotations

from collections.abc import Iterator

from neo4j import Driver

from colisten.cli.health.finding import Finding
from colisten.graph_store.connection import running_endpoint
from colisten.graph_store.endpoint import connect
from colisten.graph_store.marker import read_marker
from colisten.graph_store.schema import INDEXES
from colisten.graph_store.server.managed import ManagedServer
from colisten.pipeline.records import read_record
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir

_MB = 1 << 20


def check_neo4j(folder: Workdir, settings: Settings) -> Iterator[Finding]:
    """Check server, memory, graph and indexes; a managed server that does not run is not started for this."""
    endpoint = running_endpoint(settings, folder)
    if endpoint is None:
        yield Finding("ok", "Neo4j", "the managed server does not run; it starts when it is needed",
                      "to have the graph checked: `colisten db start`")  # fmt: skip
        return
    with connect(endpoint, settings.neo4j.database) as driver:
        yield from _server(driver, endpoint.place)
        yield from _memory(folder, settings)
        yield from _graph(driver, folder, settings.neo4j.database)


def _server(driver: Driver, place: str) -> Iterator[Finding]:
    query = "CALL dbms.components() YIELD name, versions, edition RETURN name, versions[0] AS version, edition LIMIT 1"
    (record,) = driver.execute_query(query).records
    yield Finding("ok", "Neo4j", f"{record['name']} {record['version']} {record['edition']} at {place}")


def _memory(folder: Workdir, settings: Settings) -> Iterator[Finding]:
    """Of the managed server: its page cache should hold the store."""
    if settings.neo4j.uri:
        return
    status = ManagedServer(folder.neo4j, settings.neo4j, Progress(quiet=True)).status()
    cache, store = settings.neo4j.memory_mb // 2, status.store // _MB
    found = f"heap {settings.neo4j.memory_mb} MB, page cache {cache} MB, {store} MB on disk"
    if store > cache:
        yield Finding(
            "warn", "Neo4j memory", found, f"reads go to disk: --set neo4j.memory_mb={2 * store} if there is room"
        )
    else:
        yield Finding("ok", "Neo4j memory", found)


def _graph(driver: Driver, folder: Workdir, database: str) -> Iterator[Finding]:
    marker = read_marker(driver, database)
    if marker is None:
        yield Finding("bad", "graph", f"the database {database!r} holds no whole co-listening graph",
                      "`colisten graph build`, or `colisten run` to do everything")  # fmt: skip
        return
    items, edges = sum(marker.items.values()), sum(marker.edges.values())
    found = f"{items:,} items, {edges:,} edges, loaded {marker.built_at:%Y-%m-%d %H:%M}"
    digest = read_record(folder, "graph").get("digest")
    if digest and digest != marker.version:
        yield Finding("bad", "graph", f"{found}, by another working folder or run",
                      "`colisten graph build`, or set neo4j.database to one of its own")  # fmt: skip
    else:
        yield Finding("ok", "graph", found)
    yield from _indexes(driver, database)


def _indexes(driver: Driver, database: str) -> Iterator[Finding]:
    states = driver.execute_query("SHOW INDEXES YIELD name, state RETURN name, state", database_=database).records
    online = {record["name"] for record in states if record["state"] == "ONLINE"}
    missing = sorted(INDEXES.keys() - online)
    if missing:
        yield Finding(
            "bad", "indexes", f"missing or not serving: {', '.join(missing)}", "`colisten graph build` makes them"
        )
    else:
        yield Finding("ok", "indexes", "all there and serving")
