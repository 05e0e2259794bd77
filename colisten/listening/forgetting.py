"""Erasure of one user from the imported data: their interactions, their row, their rejected rows."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import polars as pl

from colisten.listening.data import ListeningData
from colisten.listening.lineage import lineage_id
from colisten.workdir import replacing_folder, write_json


def forget_user(root: Path, user_id: str) -> dict[str, int]:
    """Rewrite the folder of `ListeningData` without this user, in one step; returns the rows removed from each file.

    Users behind move up by one, so that a user's number is still their place. The lineage ends: models that were
    trained on this user's data are no warm start.
    """
    data = ListeningData(root)
    numbers = data.users.filter(pl.col("user_id") == user_id)["user"].to_list()
    of_user = pl.col("user").is_in(numbers)
    renumbered = pl.col("user") - sum((pl.col("user") > number).cast(pl.Int32) for number in numbers)
    kept = {
        "interactions": pl.scan_parquet(data.interactions, glob=False).filter(~of_user).with_columns(renumbered),
        "users": pl.scan_parquet(root / "users.parquet", glob=False).filter(~of_user).with_columns(renumbered),
        "rejected": pl.scan_parquet(root / "rejected.parquet", glob=False).filter(~_mentions(user_id)),
    }
    before = {name: _rows(pl.scan_parquet(root / f"{name}.parquet", glob=False)) for name in kept}
    removed = {name: before[name] - _rows(rows) for name, rows in kept.items()}
    if not any(removed.values()):
        return removed
    with replacing_folder(root) as draft:
        shutil.copytree(root, draft, copy_function=os.link, dirs_exist_ok=True)
        for name, rows in kept.items():
            (draft / f"{name}.parquet").unlink()
            rows.sink_parquet(draft / f"{name}.parquet")
        write_json(draft / "summary.json", _summary(data, removed, draft))
    return removed


def _mentions(user_id: str) -> pl.Expr:
    """Mask of the rejected rows of this user: by `user_id`, or by the text of a line that could not be parsed."""
    word = rf"(^|[^\w-]){re.escape(user_id)}($|[^\w-])"
    by_column = pl.col("row").str.json_path_match("$.user_id") == user_id
    return (by_column | pl.col("row").str.json_path_match("$.text").str.contains(word)).fill_null(value=False)


def _rows(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())


def _summary(data: ListeningData, removed: dict[str, int], draft: Path) -> dict[str, object]:
    counts = {name: count - removed.get(name, 0) for name, count in data.summary["counts"].items()}
    reasons = (
        pl.scan_parquet(draft / "rejected.parquet", glob=False)
        .group_by("reason")
        .len()
        .sort("len", "reason", descending=[True, False])
    )
    lineage = lineage_id(draft / "interactions.parquet", data.lineage)
    return data.summary | {"counts": counts, "rejected": dict(reasons.collect().iter_rows()), "lineage": lineage}
