"""How much listening data there is: counted in a source, without checking it, or in what was imported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from colisten.listening.contract import INTERACTIONS, ITEMS, literal
from colisten.listening.data import ListeningData
from colisten.settings import Settings
from colisten.workdir import scratch_folder


@dataclass(frozen=True)
class DataSize:
    """Rows of the tables, and what the product of interactions grows with."""

    interactions: int
    target: int
    """Those with items of the target type."""
    users: int
    """With an interaction."""
    items: int
    pairs: int
    """Σ over users of (interactions)², of at most `items_per_user` each."""


def size_of_source(url: str, settings: Settings) -> DataSize:
    """Count the rows of a source.

    Raises:
        DataError: a table or column is missing, or a file cannot be read.
    """
    from colisten.listening.files import Source  # here, since an installation that only answers has neither
    from colisten.listening.raw import database, one_row, open_table

    source = Source.open(url)
    with scratch_folder() as scratch, database(scratch, source, settings.listening.memory_mb) as db:
        for table in (INTERACTIONS, ITEMS):
            open_table(db, source, table, scratch)
        (items,) = one_row(db, "SELECT count(*) FROM raw_items")
        books = f"SELECT item_id FROM raw_items WHERE item_type = {literal(settings.target)}"
        rows, target, users, pairs = one_row(
            db,
            f"SELECT sum(n), sum(target), count(*), sum(least(n, {settings.graph.items_per_user})::DOUBLE ** 2) FROM "
            f"(SELECT count(*) AS n, count_if(item_id IN ({books})) AS target FROM raw_interactions GROUP BY user_id)",
        )
    return DataSize(int(rows or 0), int(target or 0), users, items, int(pairs or 0))


def size_of(data: ListeningData, settings: Settings) -> DataSize:
    """The size of what was imported."""
    events = pl.scan_parquet(data.interactions, glob=False)
    books = pl.Series(np.flatnonzero(data.of_type(settings.target)), dtype=pl.Int32)
    each = events.group_by("user").agg(n=pl.len(), target=pl.col("item").is_in(books.implode()).sum())
    pairs = pl.col("n").clip(upper_bound=settings.graph.items_per_user).cast(pl.Float64) ** 2
    counts = each.select(pl.col("n").sum(), pl.col("target").sum(), pl.len().alias("users"), pairs.sum().alias("pairs"))
    rows, target, users, squares = counts.collect(engine="streaming").row(0)
    return DataSize(int(rows), int(target), users, data.summary["counts"]["items"], int(squares))
