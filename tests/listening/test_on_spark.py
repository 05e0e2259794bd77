"""Checks on Spark against checks on this machine: the same files."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from colisten.errors import DataError
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUIET = Progress(quiet=True)
BEGIN = 1_760_000_000


def source(folder: Path) -> Path:
    """Five part files: times in seconds, as text, as timestamps and as nothing; each with rows to set aside."""
    (folder / "interactions").mkdir(parents=True)
    items = pl.DataFrame({
        "item_id": [f"i{item}" for item in range(30)],
        "item_type": ["audiobook", "podcast", "music"] * 10,
        "title": [f"Title {item}" for item in range(30)],
    })  # fmt: skip
    items.write_parquet(folder / "items.parquet")
    for place in range(5):
        rows = range(place * 400, place * 400 + 400)
        seconds = [BEGIN + 60 * row for row in rows]
        times: list[pl.Series] = [
            pl.Series(seconds),
            pl.Series([str(second) if second % 7 else "yesterday" for second in seconds]),
            pl.Series([datetime.fromtimestamp(second) for second in seconds]),
            pl.Series([-5 if row % 50 == 0 else BEGIN for row in rows]),
        ]
        part = pl.DataFrame({
            "user_id": [f"u{row % 37}" if row % 61 else None for row in rows],
            "item_id": [f"i{row * 7 % 33}" for row in rows],
            "item_type": [("audiobook", "podcast", "music")[row * 7 % 33 % 3] for row in rows],
            "signal": ["stream" if row % 3 else "skipped" for row in rows],
        }, schema_overrides={"user_id": pl.String})  # fmt: skip
        if place < len(times):
            part = part.with_columns(timestamp=times[place])
        if place % 2:
            part = part.with_columns(value=pl.lit("half") if place == 1 else pl.lit(0.5))
        part.write_parquet(folder / f"interactions/part-{place} [x].parquet")
    return folder


@pytest.mark.slow
def test_executors_check_row_for_row(two_executors: SparkSession, tmp_path: Path) -> None:
    words = ["taste_types=music", "signals.ignored=skipped", "signals.strong=stream"]
    world = source(tmp_path / "a world")
    for engine in ("local", "spark"):
        import_data(str(world), tmp_path / engine, Settings.load([*words, f"engine={engine}"]), QUIET)
    assert two_executors.sparkContext.statusTracker().getJobIdsForGroup(None)
    names = {path.name for path in (tmp_path / "local").iterdir()}
    assert names == {path.name for path in (tmp_path / "spark").iterdir()}
    for name in names:
        files = [tmp_path / engine / name for engine in ("local", "spark")]
        if name.endswith(".parquet"):
            here, there = map(pl.read_parquet, files)
            assert here.equals(there), name
        else:
            first, second = (json.loads(file.read_text()) | {"lineage": ""} for file in files)
            assert first == second
    assert pl.read_parquet(tmp_path / "spark/rejected.parquet")["file"].n_unique() == 5
    assert json.loads((tmp_path / "spark/summary.json").read_text())["unread"]
    (world / "interactions/part-3 [x].parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="part-3"):
        import_data(str(world), tmp_path / "spark", Settings.load([*words, "engine=spark"]), QUIET)
