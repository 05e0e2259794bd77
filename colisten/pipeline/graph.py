"""Stage `graph`: load items and edges into Neo4j, by difference."""

from __future__ import annotations

from colisten.listening.data import ListeningData
from colisten.pipeline.stage import Context, Stage


def _run(context: Context) -> str:
    from colisten.graph_store.edge_summary import FILE
    from colisten.graph_store.loading import load_graph

    data, edges = ListeningData(context.workdir.listening), context.workdir.edges / FILE
    loaded = load_graph(data, edges, context.settings, context.workdir, context.progress, replace=context.replace)
    return loaded.marker.version


def _output_exists(context: Context) -> bool:
    """Only the managed server's files can be looked for without connecting."""
    return bool(context.settings.neo4j.uri) or (context.workdir.neo4j / "data").exists()


STAGE = Stage(
    "graph",
    "Loading the graph into Neo4j",
    depends_on=("listening", "relations"),
    settings=("neo4j.uri", "neo4j.database"),
    ignores=("neo4j.*_port", "neo4j.memory_mb", "neo4j.connections", "neo4j.batch"),
    run=_run,
    output_exists=_output_exists,
)
