"""Speed of both ways of loading, each into a managed Neo4j of its own: `benchmarks/graph_load.py [INTERACTIONS]`.

Start of the server, schema and check are counted in. Popularity follows a power law, lengths of histories are
log-normal with mean 40.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from colisten.graph_store import loading
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.server.managed import ManagedServer
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import GraphSettings, Settings
from colisten.workdir import Workdir

ITEMS = 50_000
TYPES = ("audiobook", "podcast")


def make(folder: Path, interactions: int) -> ListeningData:
    rng = np.random.default_rng(0)
    lengths = np.maximum(rng.lognormal(3.3, 0.9, interactions // 40), 1).astype(np.int64)
    users = np.repeat(np.arange(len(lengths)), lengths)[:interactions]
    items = np.minimum((ITEMS * rng.random(len(users)) ** 2.5).astype(np.int64), ITEMS - 1)
    columns = {
        "user": users.astype(np.int32),
        "item": items.astype(np.int32),
        "signal": np.zeros(len(users), np.uint8),
        "timestamp": rng.integers(0, 10**7, len(users)),
        "value": np.zeros(len(users), np.float32),
    }
    pl.DataFrame(columns).write_parquet(folder / "interactions.parquet")
    item = pl.int_range(ITEMS, dtype=pl.Int32, eager=True).alias("item")
    kind = pl.when(item % 8 == 0).then(pl.lit(TYPES[0])).otherwise(pl.lit(TYPES[1]))
    row = pl.int_range(pl.len(), dtype=pl.Int32).over("item_type")
    catalogue = pl.DataFrame(item).with_columns(item_id=item.cast(pl.String), item_type=kind, retired=False)
    text = {name: pl.lit(None, pl.String) for name in ("title", "language", "series")}
    lists = {name: pl.lit(None, pl.List(pl.String)) for name in ("genres", "creators")}
    position = pl.lit(None, pl.Float32)
    catalogue = catalogue.with_columns(
        row=row, series_position=position, published=pl.lit(None, pl.Date), **text, **lists
    )
    catalogue.write_parquet(folder / "items.parquet")
    (folder / "summary.json").write_text(json.dumps({"item_types": TYPES, "signals": ["stream"], "strong": 1}))
    return ListeningData(folder)


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
