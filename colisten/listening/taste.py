"""Taste vectors by truncated SVD: users × items of taste types (music, say), which are no nodes of the graph."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from colisten.arrays import Floats
from colisten.listening.contract import literal
from colisten.listening.raw import one_row
from colisten.settings import Settings

WIDTH = 32
"""Length of a taste vector that is computed here."""


def make_taste(db: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make `made_taste` (user, taste) from the streams of taste items; empty if the users table has a taste."""
    db.execute("CREATE TABLE made_taste (user INTEGER, taste FLOAT[])")
    if not settings.taste_types or one_row(db, "SELECT count(taste) FROM kept_users")[0]:
        return
    strong = ", ".join(map(literal, settings.signals.strong))
    counts = db.execute(f"""
        SELECT numbered_users.user, dense_rank() OVER (ORDER BY item_id) - 1 AS item, ln(1 + count(*)) AS weight
        FROM checked_interactions JOIN numbered_users USING (user_id)
        WHERE reason IS NULL AND NOT ignored AND item IS NULL AND signal IN ({strong})
        GROUP BY numbered_users.user, item_id ORDER BY ALL""").fetchnumpy()
    users, user = np.unique(counts["user"], return_inverse=True)
    if not len(users):
        return
    matrix = csr_array((counts["weight"], (user, counts["item"])), shape=(len(users), counts["item"].max() + 1))
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(taste_vectors(matrix).ravel()), WIDTH)
    db.register("vectors", pa.table({"user": users, "taste": vectors}))
    db.execute("INSERT INTO made_taste SELECT user, taste::FLOAT[] FROM vectors")
    db.unregister("vectors")


def taste_vectors(matrix: csr_array, width: int = WIDTH) -> Floats:
    """Rows of unit length from the truncated SVD of users × items, float32 [users, width].

    Items are weighted by their inverse frequency. The sign of a singular vector is arbitrary: each is turned so that
    its largest entry is positive, and columns beyond the rank are zero, so that equal data gives equal vectors.
    """
    users, items = matrix.shape
    listeners = np.bincount(matrix.indices, minlength=items)
    weighted = (matrix * np.log1p(users / np.maximum(listeners, 1)).astype(np.float32)[None, :]).tocsr()
    rank = min(width, min(users, items) - 1)
    vectors = np.zeros((users, width), np.float32)
    if rank < 1:
        vectors[:, 0] = 1
        return vectors
    left, strength, right = svds(weighted.astype(np.float64), k=rank, v0=np.ones(min(users, items)))
    order = np.argsort(-strength)
    largest = right[order, np.abs(right[order]).argmax(axis=1)]
    vectors[:, :rank] = left[:, order] * strength[order] * np.where(largest < 0, -1.0, 1.0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths > 0, lengths, 1)
    return vectors
