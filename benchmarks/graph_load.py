"""Loading the graph, and a day's difference, with co-listening alone and with all relations:

    python benchmarks/graph_load.py [INTERACTIONS [ITEMS]] [--quick]

Either by the offline importer and by transactions, each into a managed Neo4j of its own; with `--quick` by the importer
and co-listening alone, for large graphs. Start of the server, schema and check are counted in. Popularity follows a
power law, lengths of histories are log-normal with mean 40; a third of the items are in series of eight, four have a
creator in common, texts lie in clusters. The next day has 2 % more interactions. Microseconds per edge are of all
edges, of those too that the difference leaves as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Floats
from colisten.graph_store import loading
from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.relations.edges import add_relations
from colisten.graph_store.server.managed import ManagedServer
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir

TYPES = ("audiobook", "podcast")
DAY = 0.02


def make(folder: Path, interactions: int, items: int) -> ListeningData:
    """The first `interactions` of a stream of them, which is the same whatever their number."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    lengths = np.maximum(rng.lognormal(3.3, 0.9, interactions // 20), 1).astype(np.int64)
    users = np.repeat(np.arange(len(lengths)), lengths)[:interactions]
    heard = (items * np.random.default_rng(1).random(interactions) ** 2.5).astype(np.int32)
    columns = {
        "user": users.astype(np.int32),
        "item": np.minimum(heard, items - 1),
        "signal": np.zeros(interactions, np.uint8),
        "timestamp": np.random.default_rng(2).integers(0, 10**7, interactions),
        "value": np.zeros(interactions, np.float32),
    }
    pl.DataFrame(columns).write_parquet(folder / "interactions.parquet")
    _catalogue(items).write_parquet(folder / "items.parquet")
    (folder / "summary.json").write_text(json.dumps({"item_types": TYPES, "signals": ["stream"], "strong": 1}))
    return ListeningData(folder)


def _catalogue(items: int) -> pl.DataFrame:
    item = pl.col("item")
    in_series = item % 24 < 8
    return pl.select(item=pl.int_range(items, dtype=pl.Int32)).with_columns(
        item_id=item.cast(pl.String),
        item_type=pl.when(item % 8 == 0).then(pl.lit(TYPES[0])).otherwise(pl.lit(TYPES[1])),
        retired=False,
        title=pl.format("Title {}", item),
        language=pl.lit(None, pl.String),
        series=pl.when(in_series).then(pl.format("Series {}", item // 24)),
        series_position=pl.when(in_series).then(item % 24 + 1).cast(pl.Float32),
        published=pl.lit(None, pl.Date),
        genres=pl.lit(None, pl.List(pl.String)),
        creators=pl.concat_list(pl.format("Creator {}", item // 4)),
    ).with_columns(row=pl.int_range(pl.len(), dtype=pl.Int32).over("item_type"))  # fmt: skip


def texts(items: int) -> Floats:
    """[items, 64] of clusters of some fifty items."""
    rng = np.random.default_rng(3)
    near = rng.normal(size=(items // 50, 64))[rng.integers(items // 50, size=items)]
    found: Floats = (near + 0.7 * rng.normal(size=(items, 64))).astype(np.float32)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("interactions", type=int, nargs="?", default=300_000)
    parser.add_argument("items", type=int, nargs="?", default=50_000)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    settings = Settings()
    with tempfile.TemporaryDirectory() as name, Progress(quiet=True) as progress:
        folder = Path(name)
        days, edges = [], {name: list[Path]() for name in ("co-listening alone", "all relations")[: 2 - given.quick]}
        for day, count in (("first", given.interactions), ("next", round(given.interactions * (1 + DAY)))):
            data = make(folder / day, count, given.items)
            days.append(data)
            places = [folder / day / name for name in edges]
            build_edges(data, settings.graph, places[0], progress)
            for everything in places[1:]:
                everything.mkdir()
                text = texts(given.items)
                add_relations(places[0] / FILE, data, text, settings.graph.relations, everything, progress)
            for files, place in zip(edges.values(), places, strict=True):
                files.append(place / FILE)
        for way, threshold in (("import", 1), ("transactions", sys.maxsize))[: 2 - given.quick]:
            loading.IMPORT_FROM = threshold
            alone: list[float] = []
            for what, files in edges.items():
                workdir = Workdir.open(folder / f"{way} {what}", create=True)
                loads = [loading.load_graph(*day, settings, workdir, progress) for day in zip(days, files, strict=True)]
                ManagedServer(workdir.neo4j, settings.neo4j, progress).stop()
                counts = [pl.scan_parquet(file).select(pl.len()).collect().item() for file in files]
                costs = [1e6 * load.seconds / count for load, count in zip(loads, counts, strict=True)]
                ratios = "".join(f", × {cost / before:.2f}" for cost, before in zip(costs, alone, strict=False))
                alone = costs
                first, again = loads
                print(f"{first.method}, {what}: {counts[0]:,} edges in {first.seconds:.1f} s, {costs[0]:.1f} µs each;")
                print(f"  the next day {again.edges} in {again.seconds:.1f} s, {costs[1]:.1f} µs each{ratios}")


if __name__ == "__main__":
    main()
