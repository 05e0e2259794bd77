"""Batch recommendation: many users, streamed into one Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from colisten.progress import Progress
from colisten.serving.block_search import USERS_AT_ONCE
from colisten.serving.query import Query
from colisten.serving.ranking import Ranked
from colisten.serving.recommending import Recommender
from colisten.workdir import replacing_file

_FIELDS: list[pa.Field[Any]] = [
    pa.field("user_id", pa.string()),
    pa.field("item_id", pa.string()),
    pa.field("item_type", pa.string()),
    pa.field("score", pa.float32()),
    pa.field("rank", pa.int32()),
]
SCHEMA = pa.schema(_FIELDS)


def recommend_to(
    path: Path, recommender: Recommender, user_ids: Sequence[str], query: Query, progress: Progress
) -> list[str]:
    """Write recommendations as Parquet: `user_id`, `item_id`, `item_type`, `score` float32, `rank` int32.

    Each user is answered once, in the order of first mention. The file is written under another name and renamed when
    it is complete.

    Returns:
        The users without a profile, who got the cold-start answer.

    Raises:
        SettingsError: the query names a type, language or genre that no item has.
    """
    distinct_ids = list(dict.fromkeys(user_ids))
    profiles = recommender.profiles
    item_ids = pa.array(profiles.item_ids(), pa.string())
    item_types = pa.array(profiles.facts.item_types, pa.string())
    unknown: list[str] = []
    with (
        replacing_file(path) as draft,
        pq.ParquetWriter(draft, SCHEMA, compression="zstd") as writer,
        progress.task("recommending", len(distinct_ids)) as task,
    ):
        for start in range(0, len(distinct_ids), USERS_AT_ONCE):
            users = distinct_ids[start : start + USERS_AT_ONCE]
            ranked, unknown_here = recommender.rank(users, query)
            if len(item_ids) < len(profiles.type_of):  # items were told meanwhile
                item_ids = pa.array(profiles.item_ids(), pa.string())
            writer.write_table(_table(users, ranked, item_ids, item_types.take(profiles.type_of[ranked.items])))
            unknown += unknown_here
            task.advance(len(users))
    return unknown


def _table(users: Sequence[str], ranked: Ranked, item_ids: pa.StringArray, item_types: pa.StringArray) -> pa.Table:
    columns: list[pa.Array[Any]] = [
        pa.array(users, pa.string()).take(ranked.users),
        item_ids.take(ranked.items),
        item_types,
        pa.array(ranked.scores),
        pa.array(ranked.ranks),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
