"""Recommendations for many users, streamed into one Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from colisten.progress import Progress
from colisten.serving.query import Query
from colisten.serving.ranking import Ranked
from colisten.serving.recommending import Recommender
from colisten.workdir import replacing_file

_USERS_AT_ONCE = 2048
_FIELDS: list[pa.Field[Any]] = [
    pa.field("user_id", pa.string()),
    pa.field("item_id", pa.string()),
    pa.field("item_type", pa.string()),
    pa.field("score", pa.float32()),
    pa.field("rank", pa.int32()),
]
_SCHEMA = pa.schema(_FIELDS)


def recommend_to(
    path: Path, recommender: Recommender, user_ids: Sequence[str], query: Query, progress: Progress
) -> list[str]:
    """Write `user_id`, `item_id`, `item_type`, `score` float32, `rank` int32; returns the users never seen before.

    Each user is answered once, in the order of first mention; the file appears when it is whole.

    Raises:
        SettingsError: the wish names a type, language or genre that no item has.
    """
    everyone = list(dict.fromkeys(user_ids))
    item_ids = pa.array(recommender.profiles.item_ids(), pa.string())
    kind = query.item_type or recommender.target
    unknown: list[str] = []
    with (
        replacing_file(path) as draft,
        pq.ParquetWriter(draft, _SCHEMA, compression="zstd") as writer,
        progress.task("recommending", len(everyone)) as task,
    ):
        for start in range(0, len(everyone), _USERS_AT_ONCE):
            users = everyone[start : start + _USERS_AT_ONCE]
            ranked, strangers = recommender.rank(users, query)
            writer.write_table(_table(users, ranked, item_ids, kind))
            unknown += strangers
            task.advance(len(users))
    return unknown


def _table(users: Sequence[str], ranked: Ranked, item_ids: pa.StringArray, kind: str) -> pa.Table:
    columns: list[pa.Array[Any]] = [
        pa.array(users, pa.string()).take(ranked.users),
        item_ids.take(ranked.items),
        pa.array([kind], pa.string()).take(np.zeros(len(ranked.items), np.int64)),
        pa.array(ranked.scores),
        pa.array(ranked.ranks),
    ]
    return pa.Table.from_arrays(columns, schema=_SCHEMA)
