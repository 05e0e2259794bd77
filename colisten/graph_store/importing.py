"""The first load into the managed server: Neo4j's offline importer, which writes store files rather than transactions.

It writes a database of another name beside the one in use; only a whole one takes its place. A kill at any moment
leaves either the empty database or the imported one.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from colisten.graph_store.edge_difference import relationship_names
from colisten.graph_store.edge_properties import scan_edges
from colisten.graph_store.edge_summary import EDGE_TYPE
from colisten.graph_store.edge_type import EdgeType
from colisten.graph_store.marker import NAME
from colisten.graph_store.nodes import LIST_SEPARATOR
from colisten.graph_store.schema import GRAPH, ITEM, label_of
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.store_files import STORES
from colisten.progress import Progress

_DRAFT = "draft-"
_MEMORY_MB = 1024
"""Off-heap memory of the importer."""


def import_graph(
    server: ManagedServer, database: str, nodes: pl.DataFrame, edges: Path, edge_types: tuple[EdgeType, ...],
    progress: Progress,
) -> None:  # fmt: skip
    """Replace the managed server's `database` by these items and edges, marked as not yet complete.

    Raises:
        GraphError: the importer failed.
    """
    draft = _DRAFT + secrets.token_hex(4)
    with progress.task("importing into Neo4j, offline"), server.stopped(), _swept(server.folder):
        with tempfile.TemporaryDirectory(dir=server.folder, prefix=_DRAFT) as folder:
            files = _write_files(Path(folder), nodes, edges, edge_types)
            server.admin(
                "database", "import", "full", draft, *files, "--id-type=integer", "--multiline-fields=true",
                f"--array-delimiter=U+{ord(LIST_SEPARATOR):04X}", f"--max-off-heap-memory={_MEMORY_MB}m",
            )  # fmt: skip
        _put_in_place(server.folder / "data", draft, database)


@contextmanager
def _swept(folder: Path) -> Iterator[None]:
    """Remove what killed imports left, before, and what this one leaves if it fails, after."""
    _sweep(folder)
    try:
        yield
    finally:
        _sweep(folder)


def _sweep(folder: Path) -> None:
    for place in (folder, *(folder / "data" / store for store in STORES)):
        for left in place.glob(f"{_DRAFT}*"):
            shutil.rmtree(left, ignore_errors=True)


def _put_in_place(data: Path, draft: str, database: str) -> None:
    for store in STORES:
        shutil.rmtree(data / store / database, ignore_errors=True)
        (data / store / draft).rename(data / store / database)


def _write_files(folder: Path, nodes: pl.DataFrame, edges: Path, edge_types: tuple[EdgeType, ...]) -> list[str]:
    """The importer's CSV files; returns the arguments that name them."""
    _node_columns(nodes).write_csv(folder / "items.csv")
    pl.DataFrame({"name": [NAME], "complete:boolean": [False]}).write_csv(folder / "graph.csv")
    named = scan_edges(pl.scan_parquet(edges, glob=False)).join(relationship_names(edge_types, ":TYPE"), on=EDGE_TYPE)
    named.select(
        pl.col("src").alias(":START_ID"), pl.col("dst").alias(":END_ID"), ":TYPE",
        pl.col("listeners").alias("listeners:long"), pl.col("weight").cast(pl.Float64).alias("weight:double"),
        pl.from_epoch("last").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("last:datetime"),
        pl.col("step").cast(pl.Float64).alias("step:double"),
    ).sink_csv(folder / "edges.csv")  # fmt: skip
    return [
        f"--nodes={folder / 'items.csv'}", f"--nodes={GRAPH}={folder / 'graph.csv'}",
        f"--relationships={folder / 'edges.csv'}",
    ]  # fmt: skip


def _node_columns(nodes: pl.DataFrame) -> pl.DataFrame:
    labels = {item_type: f"{ITEM}{LIST_SEPARATOR}{label_of(item_type)}" for item_type in nodes["item_type"].unique()}
    return nodes.select(
        pl.col("item").alias("item:ID"),
        pl.col("item_type").replace_strict(labels, return_dtype=pl.String).alias(":LABEL"),
        "id", pl.col("row").alias("row:long"), "title", "language",
        pl.col("genres").list.join(LIST_SEPARATOR).alias("genres:string[]"),
        pl.col("creators").list.join(LIST_SEPARATOR).alias("creators:string[]"),
        pl.col("published").alias("published:date"),
        "series", pl.col("series_position").alias("series_position:double"),
        pl.col("retired").alias("retired:boolean"),
        pl.col("listeners").alias("listeners:long"),
    )  # fmt: skip
