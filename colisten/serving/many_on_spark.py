"""Batch recommendation on Spark: each executor answers a part of the users, into the one Parquet file of `many.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import pyarrow.parquet as pq

from colisten.progress import Progress
from colisten.serving.block_search import USERS_AT_ONCE
from colisten.serving.many import SCHEMA, recommend_to
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.spark import on_executors, shared_parts, spark_session
from colisten.workdir import Workdir, draft_folder, replacing_file, write_json


@dataclass(frozen=True)
class _Share:
    """The users of one task; paths are the same for driver and executors."""

    users: Sequence[str]
    query: Query
    workdir: Path
    collection: str
    settings: Path
    """Without secrets or addresses, which executors have in their own environment."""
    out: Path


def recommend_on_spark(
    path: Path, workdir: Workdir, settings: Settings, recommender: Recommender, user_ids: Sequence[str], query: Query,
    progress: Progress,
) -> list[str]:  # fmt: skip
    """Write what `recommend_to` writes, row for row; executors see `workdir` and the folder of `path` by these paths.

    Returns:
        The users without a profile, who got the cold-start answer.

    Raises:
        SettingsError: Spark or its Java is missing, executors do not share the folders, or the query names what no
            item has.
        ColistenError: a job of Spark failed.
    """
    distinct_ids = list(dict.fromkeys(user_ids))
    with replacing_file(path) as draft, draft_folder(path.parent, f"{path.name}.parts") as folder:
        write_json(folder / "settings.json", settings.without_secrets())
        with progress.task("recommending on Spark"), spark_session(folder) as session:
            most = -(-len(distinct_ids) // USERS_AT_ONCE)
            count = max(1, min(most, session.sparkContext.defaultParallelism))
            bounds = [len(distinct_ids) * place // count for place in range(count + 1)]
            shares = [
                _Share(
                    distinct_ids[begin:end], query, workdir.root.resolve(), recommender.collection.name,
                    (folder / "settings.json").resolve(), (folder / f"part-{place:05}.parquet").resolve(),
                )
                for place, (begin, end) in enumerate(pairwise(bounds))
            ]  # fmt: skip
            unknown = on_executors(session, _answer, shares)
        with pq.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
            for part in map(pq.ParquetFile, shared_parts(folder, count)):
                for group in range(part.num_row_groups):
                    writer.write_table(part.read_row_group(group))
    return list(chain.from_iterable(unknown))


def _answer(share: _Share) -> list[str]:
    settings = Settings.load(kept=share.settings)
    with Recommender.open(Workdir.open(share.workdir), settings, share.collection) as recommender:
        return recommend_to(share.out, recommender, share.users, share.query, Progress(quiet=True))
