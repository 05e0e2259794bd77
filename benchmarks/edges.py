"""Time and peak memory of computing edges: `python benchmarks/edges.py [INTERACTIONS [MEMORY_MB]]`.

Popularity follows a power law, lengths of histories are log-normal with mean 40: ten million interactions make some
half a billion pairs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from colisten import settings
from colisten.graph_store.edges import build_edges
from colisten.listening.data import ListeningData
from colisten.progress import Progress

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
    position = pl.lit(None, pl.Float32)
    lists = {name: pl.lit(None, pl.List(pl.String)) for name in ("genres", "creators")}
    catalogue = catalogue.with_columns(
        row=row, series_position=position, published=pl.lit(None, pl.Date), **text, **lists
    )
    catalogue.write_parquet(folder / "items.parquet")
    (folder / "summary.json").write_text(json.dumps({"item_types": TYPES, "signals": ["stream"], "strong": 1}))
    return ListeningData(folder)


class Peak(threading.Thread):
    """The most memory this process held, and the most that lay in `folder`, while the block ran."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.memory, self.disk, self.over = folder, 0, 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.memory = max(self.memory, psutil.Process().memory_info().rss)
            files = [file for file in self.folder.rglob("*") if file.is_file()]
            self.disk = max(self.disk, sum(file.stat().st_size for file in files if file.exists()))


def main() -> None:
    interactions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    memory_mb = int(sys.argv[2]) if len(sys.argv) > 2 else 2048
    with tempfile.TemporaryDirectory() as name, Progress() as progress:
        data = make(Path(name), interactions)
        before = psutil.Process().memory_info().rss
        peak = Peak(Path(name) / "edges")
        peak.start()
        started, used = time.perf_counter(), time.process_time()
        summary = build_edges(data, settings.GraphSettings(memory_mb=memory_mb), Path(name) / "edges", progress)
        seconds, cpu = time.perf_counter() - started, time.process_time() - used
        peak.over.set()
        print(
            f"{interactions:,} interactions → {summary.total:,} edges in {seconds:.0f} s ({cpu:.0f} CPU seconds); "
            f"peak memory {(peak.memory - before) / 2**20:,.0f} MB (the engine's part: {memory_mb:,}), "
            f"on disk {peak.disk / 2**20:,.0f} MB"
        )


if __name__ == "__main__":
    main()
