"""Exposure logs: what each group was shown, one Parquet file per batch of recommendations.

Columns: `user_id`, `group`, `item_id`, `item_type`, `rank` int32, `at` int64 (seconds, UTC), `index` (the collection
that answered).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from colisten.errors import WorkdirError
from colisten.workdir import replacing_file

_COLUMNS = ("user_id", "group", "item_id", "item_type", "rank", "at", "index")


def log_exposures(folder: Path, recommendations: pl.LazyFrame, group_of: Mapping[str, str], index: str) -> int:
    """Log that these recommendations (`user_id`, `item_id`, `item_type`, `rank`) are shown now; returns the time.

    Call it when they are where they will be shown from: what is never shown must not be counted.
    """
    now = time.time_ns()
    groups = pl.LazyFrame({"user_id": list(group_of), "group": list(group_of.values())})
    rows = recommendations.join(groups, on="user_id", maintain_order="left").with_columns(
        pl.col("rank").cast(pl.Int32), at=pl.lit(now // 10**9, pl.Int64), index=pl.lit(index)
    )
    with replacing_file(_logs(folder) / f"{now}.parquet") as draft:
        rows.select(_COLUMNS).sink_parquet(draft)
    return now // 10**9


def read_exposures(folder: Path) -> pl.LazyFrame | None:
    """The whole exposure log of the experiment in `folder`; None where nothing has been shown.

    Raises:
        WorkdirError: a file of it is damaged.
    """
    files = [_log(path) for path in sorted(_logs(folder).glob("*.parquet"))]
    return pl.concat(files) if files else None


def forget_exposures(folder: Path, user_id: str) -> int:
    """Remove a user from the logs of this experiment; returns the number of rows removed.

    Raises:
        WorkdirError: a file of it is damaged.
    """
    removed = 0
    for path in sorted(_logs(folder).glob("*.parquet")):
        rows = _log(path)
        found = rows.filter(pl.col("user_id") == user_id).select(pl.len()).collect().item()
        if found:
            with replacing_file(path) as draft:
                rows.filter(pl.col("user_id") != user_id).sink_parquet(draft)
            removed += found
    return removed


def _log(path: Path) -> pl.LazyFrame:
    rows = pl.scan_parquet(path, glob=False)
    try:
        rows.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise WorkdirError(f"{path} is damaged: remove it; whom it was shown to is lost.") from error
    return rows


def _logs(folder: Path) -> Path:
    return folder / "exposures"
