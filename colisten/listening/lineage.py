"""Lineage of the data: an id that is kept while imports are append-only, so that a warm start leaks nothing.

A working folder may be given the training part of a split after it has seen the whole. Weights carried over from then
would know the held-out interactions.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.listening.contract import literal
from colisten.listening.data import ListeningData

if TYPE_CHECKING:
    import duckdb


def lineage_of(db: duckdb.DuckDBPyConnection, interactions: Path, signals: tuple[str, ...], earlier: Path) -> str:
    """The lineage id of an import: that of the import before it if no interaction of that is missing, else a new one.

    Only interactions that are older than the oldest of today may be missing (data is often kept for so many days), and
    those with items that left the catalogue.

    Args:
        db: holds `numbered_users` and `numbered_items`; items have the numbers that they had in `earlier`.
        interactions: today's.
        signals: today's, by code.
        earlier: folder of the import before; there may be none.
    """
    before = ListeningData(earlier)
    if not (earlier / "summary.json").exists():
        return lineage_id(interactions, "")
    append_only = before.signals == signals and not _is_any_missing(db, before, interactions)
    return before.lineage if append_only and before.lineage else lineage_id(interactions, before.lineage)


def _is_any_missing(db: duckdb.DuckDBPyConnection, before: ListeningData, interactions: Path) -> bool:
    from colisten.listening.raw import one_row  # here: to forget somebody takes a lineage id, and no DuckDB

    then, users, now = (
        f"read_parquet({literal(str(path))})"
        for path in (before.interactions, before.root / "users.parquet", interactions)
    )
    return bool(one_row(db, f"""
        SELECT count(*) FROM (
            SELECT today.user, item, signal, timestamp
            FROM {then} AS known JOIN {users} AS users USING (user)
            SEMI JOIN (FROM numbered_items WHERE NOT retired) AS present USING (item)
            LEFT JOIN numbered_users AS today USING (user_id)
            WHERE timestamp IS NULL OR timestamp >= (SELECT coalesce(min(timestamp), 0) FROM {now})
            EXCEPT SELECT user, item, signal, timestamp FROM {now})
    """)[0])  # fmt: skip


def lineage_id(interactions: Path, before: str) -> str:
    """The id of a lineage that begins with these interactions, after the lineage `before` (empty: after none)."""
    with interactions.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(before.encode())
    return digest.hexdigest()[:16]
