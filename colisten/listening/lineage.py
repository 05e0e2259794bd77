"""Does today's data go on where yesterday's ended? What was learned from data that has gone must not be gone on with.

A working folder may be given the training part of a split after it has seen the whole. Weights that were carried over
would then know what they are judged by.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

from colisten.listening.contract import literal
from colisten.listening.data import ListeningData
from colisten.listening.raw import one_row


def lineage_of(db: duckdb.DuckDBPyConnection, interactions: Path, signals: tuple[str, ...], earlier: Path) -> str:
    """The name that an import shares with the import before it, if all that was known then is known now.

    Only what is older than the oldest event of today may be missing (data is often kept for so many days), and events
    on items that left the catalogue.

    Args:
        db: holds `numbered_users` and `numbered_items`; items have the numbers that they had in `earlier`.
        interactions: today's.
        signals: today's, by code.
        earlier: folder of the import before; there may be none.
    """
    before = ListeningData(earlier)
    if not (earlier / "summary.json").exists():
        return named_after(interactions, "")
    goes_on = before.signals == signals and not _missing(db, before, interactions)
    return before.lineage if goes_on and before.lineage else named_after(interactions, before.lineage)


def _missing(db: duckdb.DuckDBPyConnection, before: ListeningData, interactions: Path) -> bool:
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


def named_after(interactions: Path, before: str) -> str:
    """The name of a lineage that begins with these interactions, after another one; empty: after none."""
    with interactions.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(before.encode())
    return digest.hexdigest()[:16]
