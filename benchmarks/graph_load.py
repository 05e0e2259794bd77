"""Speed of both ways of loading, each into a managed Neo4j of its own: `benchmarks/graph_load.py [INTERACTIONS]`.

Start of the server, schema and check are counted in.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.edges import make
from colisten.graph_store import loading
from colisten.graph_store.edges import FILE, build_edges
from colisten.graph_store.server.managed import ManagedServer
from colisten.progress import Progress
from colisten.settings import GraphSettings, Settings
from colisten.workdir import Workdir


def main() -> None:
    interactions = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    with tempfile.TemporaryDirectory() as name, Progress() as progress:
        folder = Path(name)
        data = make(folder, interactions)
        build_edges(data, GraphSettings(), folder / "edges", progress)
        for way, threshold in (("import", 1), ("transactions", sys.maxsize)):
            loading.IMPORT_FROM = threshold
            workdir = Workdir.open(folder / way, create=True)
            loaded = loading.load_graph(data, folder / "edges" / FILE, Settings(), workdir, progress)
            again = loading.load_graph(data, folder / "edges" / FILE, Settings(), workdir, progress)
            ManagedServer(workdir.neo4j, Settings().neo4j, progress).stop()
            edges = loaded.edges.upserted
            print(
                f"{loaded.method}: {edges:,} edges in {loaded.seconds:.0f} s "
                f"({edges / loaded.seconds:,.0f} edges/s); again: {again.method} in {again.seconds:.1f} s"
            )


if __name__ == "__main__":
    main()
