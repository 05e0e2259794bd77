"""Exposure logs: what each group was shown, in files of recommendations and over HTTP, as one table.

Columns: `user_id`, `group`, `item_id`, `item_type`, `rank` int32, `at` int64 (seconds, UTC), `index` (the collection
that answered), `request_id` (one answer to a user), `propensity` float64 (of the slot to show the item). A file of
recommendations is logged as one Parquet file, `W/experiments/NAME/exposures/*.parquet`, whose slots had no choice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from colisten.errors import WorkdirError
from colisten.serving.experiment.exposures import FILE, ExposureLog
from colisten.workdir import replacing_file

_FILED = ("user_id", "group", "item_id", "item_type", "rank", "at", "index")
_COLUMNS = (*_FILED, "request_id", "propensity")
_LOGGED = {"user_id": pl.String, "request_id": pl.String, "group": pl.String, "at": pl.Int64, "index": pl.String,
           "shown": pl.String}  # fmt: skip
_SHOWN = {"item_id": pl.List(pl.String), "item_type": pl.List(pl.String), "propensity": pl.List(pl.Float64)}


def log_exposures(folder: Path, recommendations: pl.LazyFrame, group_of: Mapping[str, str], index: str) -> int:
    """Log that these recommendations (`user_id`, `item_id`, `item_type`, `rank`) are shown now; returns the time.

    Call it when they are where they will be shown from: what is never shown must not be counted.
    """
    now = time.time_ns()
    words = {"user_id": pl.String, "group": pl.String}
    groups = pl.LazyFrame({"user_id": list(group_of), "group": list(group_of.values())}, words)
    rows = recommendations.join(groups, on="user_id", maintain_order="left").with_columns(
        pl.col("rank").cast(pl.Int32), at=pl.lit(now // 10**9, pl.Int64), index=pl.lit(index)
    )
    with replacing_file(_logs(folder) / f"{now}.parquet") as draft:
        rows.select(_FILED).sink_parquet(draft)
    return now // 10**9


def read_exposures(folder: Path) -> pl.LazyFrame | None:
    """The whole exposure log of the experiment in `folder`; None where nothing has been shown.

    Raises:
        WorkdirError: a file of it is damaged.
    """
    found = [
        _filed(path).with_columns(request_id=pl.lit(path.stem), propensity=pl.lit(1.0)).select(_COLUMNS)
        for path in sorted(_logs(folder).glob("*.parquet"))
    ]
    if (folder.parent / FILE).exists():
        with ExposureLog.open(folder.parent) as log:
            found += [_slots(rows) for rows in log.answers(folder.name)]
    return pl.concat(found) if found else None


def _slots(answers: list[tuple[object, ...]]) -> pl.LazyFrame:
    """A row for each slot of answers as `ExposureLog.answers` has them."""
    shown = pl.col("shown").str.json_decode(pl.Struct(_SHOWN))
    rows = pl.DataFrame(answers, _LOGGED, orient="row").lazy().with_columns(shown).unnest("shown")
    ranks = pl.int_ranges(1, pl.col("item_id").list.len() + 1, dtype=pl.Int32)
    return rows.with_columns(rank=ranks).explode("rank", *_SHOWN, empty_as_null=False).select(_COLUMNS)


def forget_exposures(folder: Path, user_id: str) -> int:
    """Remove a user from the files of this experiment; returns the number of rows removed.

    Raises:
        WorkdirError: a file of it is damaged.
    """
    removed = 0
    for path in sorted(_logs(folder).glob("*.parquet")):
        rows = _filed(path)
        found = rows.filter(pl.col("user_id") == user_id).select(pl.len()).collect().item()
        if found:
            with replacing_file(path) as draft:
                rows.filter(pl.col("user_id") != user_id).sink_parquet(draft)
            removed += found
    return removed


def _filed(path: Path) -> pl.LazyFrame:
    rows = pl.scan_parquet(path, glob=False)
    try:
        rows.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise WorkdirError(f"{path} is damaged: remove it; whom it was shown to is lost.") from error
    return rows


def _logs(folder: Path) -> Path:
    return folder / "exposures"
