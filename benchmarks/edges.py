"""Time and peak memory of co-listening edges beside a bare sparse top-n product and the Ibis expression on DuckDB.

    uv run --with sparse-dot-topn benchmarks/edges.py WORLD [--memory-mb 2048] [--duckdb] [--skip-bare]

WORLD is a folder of the data contract. Each candidate runs in a process of its own; its peak is counted from what the
process held before it began. The bare product multiplies the normalised matrix of the same listens on one core, keeps
ten entries a row whatever their type, and reads and writes nothing.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from colisten.graph_store.co_listening import co_listening, listens_of, places_of
from colisten.graph_store.edges import DEFAULT_SHRINKAGE, DEFAULT_TOP_K, build_edges
from colisten.graph_store.engines import run_on_duckdb
from colisten.graph_store.top_n_product import (
    Heard,
    Strongest,
    Weighing,
    find_last,
    keep_strongest,
    sort_strongest_first,
    whole,
)
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.progress import Progress, Task
from colisten.settings import GraphSettings, Settings


class TimedProgress(Progress):
    """Notes how long each task takes."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def task(self, title: str, total: float | None = None) -> Iterator[Task]:
        started = time.perf_counter()
        with super().task(title, total) as task:
            yield task
        self.seconds[title] = round(time.perf_counter() - started, 1)


def ours(data: ListeningData, folder: Path, options: GraphSettings) -> dict[str, object]:
    progress = TimedProgress()
    found = build_edges(data, options, folder, progress)
    return {"edges": found.total, "of which": progress.seconds}


def compile_loops() -> None:
    """Or read them from the disk."""
    rows = Heard(np.array([0, 1, 2]), np.zeros(2, np.int32), np.zeros(2, np.int64))
    kept = Strongest.empty(2, 1)
    weighing = Weighing.of(np.ones(2, np.int64), [DEFAULT_SHRINKAGE], 1)
    list(keep_strongest(0, rows, whole(rows, 1, 0, np.array([0, 2])), weighing, kept))
    sort_strongest_first(kept)
    find_last(rows, 0, rows, kept, np.empty((2, 1), np.int64))


def duckdb(data: ListeningData, folder: Path, options: GraphSettings) -> dict[str, object]:
    run_on_duckdb(
        lambda tables: co_listening(
            **tables, strong=data.strong, items_per_user=options.items_per_user, min_listeners=options.min_listeners,
            shrinkage=DEFAULT_SHRINKAGE, top_k=DEFAULT_TOP_K,
        ),
        _tables(data), folder / "edges.parquet", memory_mb=options.memory_mb, spill=folder, title="edges",
        progress=Progress(quiet=True),
    )  # fmt: skip
    return {"edges": pl.scan_parquet(folder / "edges.parquet").select(pl.len()).collect().item()}


def bare(by_item: csr_matrix, threads: int) -> dict[str, object]:
    from sparse_dot_topn import sp_matmul_topn

    return {"kept": sp_matmul_topn(by_item, csr_matrix(by_item.T), top_n=DEFAULT_TOP_K, n_threads=threads).nnz}


def normalised(data: ListeningData, folder: Path, options: GraphSettings) -> csr_matrix:
    """[items, users] the listens that count, rows of length one."""
    run_on_duckdb(
        lambda tables: listens_of(
            tables["interactions"], places_of(tables["items"]), strong=data.strong,
            items_per_user=options.items_per_user,
        ),
        _tables(data), folder / "listens.parquet", memory_mb=options.memory_mb, spill=folder, title="listens",
        progress=Progress(quiet=True),
    )  # fmt: skip
    listens = pl.read_parquet(folder / "listens.parquet", columns=["user", "place"])
    user, place = listens["user"].to_numpy(), listens["place"].to_numpy()
    length = np.sqrt(np.bincount(place))
    return csr_matrix(((1 / length[place]).astype(np.float32), (place, user)))


def _tables(data: ListeningData) -> dict[str, Path]:
    return {"interactions": data.interactions, "items": data.root / "items.parquet"}


def measure(name: str, data: ListeningData, folder: Path, options: GraphSettings) -> dict[str, object]:
    """One candidate in this process: seconds by the clock and of processors, peak memory, load when it began."""
    work: Callable[[], dict[str, object]]
    if name.startswith("bare"):
        matrix, threads = normalised(data, folder, options), int(name[-1])
        work = partial(bare, matrix, threads)
    elif name == "ours":
        compile_loops()
        work = partial(ours, data, folder, options)
    else:
        work = partial(duckdb, data, folder, options)
    load, held, started, used = os.getloadavg()[0], _held(), time.perf_counter(), time.process_time()
    found = work()
    return {
        "candidate": name, "seconds": round(time.perf_counter() - started, 1),
        "processor seconds": round(time.process_time() - used, 1), "load before": round(load, 1),
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 - held, **found,
    }  # fmt: skip


def _held() -> int:
    """MB of memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


@click.command()
@click.argument("world", type=click.Path(exists=True, path_type=Path))
@click.option("--memory-mb", default=2048, show_default=True)
@click.option("--duckdb", "with_duckdb", is_flag=True, help="The Ibis expression on DuckDB too: minutes.")
@click.option("--skip-bare", is_flag=True, help="Without sparse-dot-topn.")
@click.option("--candidate", hidden=True, help="Measure one in this process; WORLD is an imported folder.")
def main(world: Path, memory_mb: int, with_duckdb: bool, skip_bare: bool, candidate: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, options = Path(name), GraphSettings(memory_mb=memory_mb)
        if candidate:
            click.echo(json.dumps(measure(candidate, ListeningData(world), folder, options)))
            return
        data = import_data(str(world), folder / "listening", Settings.load([]), Progress(quiet=True))
        counts = data.summary["counts"]
        click.echo(f"{counts['interactions']:,} interactions, {counts['items']:,} items")
        candidates = ["ours", *([] if skip_bare else ["bare 1", "bare 2"]), *(["duckdb"] if with_duckdb else [])]
        for each in candidates:
            words = [sys.executable, __file__, str(data.root), f"--memory-mb={memory_mb}", f"--candidate={each}"]
            subprocess.run(words, check=True)


if __name__ == "__main__":
    main()
