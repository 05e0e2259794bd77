"""Qdrant checks: the live collection, its item count, and one real recommendation."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from colisten.cli.health.finding import Finding
from colisten.listening.data import ListeningData
from colisten.serving.index.opening import open_index
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.workdir import Workdir

_PUBLISH = "`colisten run`, or `colisten index publish` after training"


def check_qdrant(folder: Workdir, settings: Settings) -> Iterator[Finding]:
    """Check which collection is live, whether it holds the catalogue, and that it answers."""
    where = settings.qdrant.url or "the embedded engine"
    index = open_index(folder, settings)
    live = index.live()
    if live is None:
        yield Finding("warn", "Qdrant", f"{where}: nothing is published under {settings.qdrant.alias!r}", _PUBLISH)
        return
    held, kept = index.open(live).count(), len(index.ready())
    yield Finding("ok", "Qdrant", f"{where}: {live} is live with {held:,} items, {kept} collections kept")
    if (folder.listening / "summary.json").exists():
        known = ListeningData(folder.listening).items.filter(~pl.col("retired")).height
        if known != held:
            yield Finding("warn", "index", f"{known:,} items are in the catalogue, {held:,} in the index", _PUBLISH)
    with Recommender.open(folder, settings) as recommender:
        (best,) = recommender.recommend([""], Query(1)).items
    yield Finding("ok", "answers", f"an unknown user is recommended {best.title or best.item_id!r}")
