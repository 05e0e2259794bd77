"""Real data sets, imported by settings alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from colisten.listening.report import check_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import Importer, named

GROCERIES = ("target=drug_gm", "signals.strong=purchase", "signals.weak=coupon_redeem,campaign_received")


def test_many_types_other_signals_and_items_missing_from_the_catalogue(
    shared_data: Callable[[str], Path], importer: Importer
) -> None:
    data = importer.run(*GROCERIES, source=str(shared_data("data/complete_journey")))
    assert data.signals == ("purchase", "coupon_redeem", "campaign_received")
    assert len(data.item_types) == 28, "one of the 29 types of the interactions has no item in the catalogue"
    assert data.summary["rejected"] == {"item_id is not in the catalogue": 222}
    counts = data.summary["counts"]
    assert counts["interactions"] + counts["rejected"] + counts["duplicates"] == 83_691
    assert set(pl.read_parquet(data.interactions)["item"]) <= set(range(len(data.items)))
    assert data.users.filter(pl.col("user_id") == "1")["age"].to_list() == ["65+"]


def test_data_without_times_and_users(shared_data: Callable[[str], Path], importer: Importer) -> None:
    source = shared_data("data/anime")
    data = importer.run("target=movie", "signals.weak=follow", source=str(source))
    assert data.summary["counts"]["rejected"] == 0
    original = pl.read_parquet(source / "interactions.parquet")
    columns = ["user_id", "item_id", "item_type", "signal", "value"]
    assert named(data).select(columns).sort(columns).equals(original.select(columns).sort(columns))


def test_a_report_of_real_data(shared_data: Callable[[str], Path]) -> None:
    settings = Settings.load(["target=movie", "signals.weak=follow"])
    report = check_data(str(shared_data("data/anime")), settings, Progress(quiet=True))
    assert report.health["interactions without time"] == report.health["items without description"] == 1
    assert report.interactions["movie"] > report.items["movie"] > 1000
