"""Real sets, by settings only."""

from __future__ import annotations

import polars as pl

from colisten.listening.report import check_data
from colisten.progress import Progress
from colisten.settings import Settings

GROCERIES = ("target=drug_gm", "signals.strong=purchase", "signals.weak=coupon_redeem,campaign_received")


def test_many_types_other_signals_and_items_missing_from_the_catalogue(shared, desk):
    data = desk.imported(*GROCERIES, source=str(shared / "data" / "complete_journey"))
    assert data.signals == ("purchase", "coupon_redeem", "campaign_received")
    assert len(data.item_types) == 28, "one of the 29 types of the interactions has no item in the catalogue"
    assert data.summary["rejected"] == {"item_id is not in the catalogue": 222}
    counts = data.summary["counts"]
    assert counts["interactions"] + counts["rejected"] + counts["duplicates"] == 83_691
    assert pl.read_parquet(data.interactions)["item"].max() < len(data.items)
    assert data.users.filter(pl.col("user_id") == "1")["age"].to_list() == ["65+"]


def test_data_without_times_and_users(shared, desk, with_names):
    source = shared / "data" / "anime"
    data = desk.imported("target=movie", "signals.weak=follow", source=str(source))
    assert data.summary["counts"]["rejected"] == 0
    came = pl.read_parquet(source / "interactions.parquet")
    columns = ["user_id", "item_id", "item_type", "signal", "value"]
    assert with_names(data).select(columns).sort(columns).equals(came.select(columns).sort(columns))


def test_a_report_of_real_data(shared):
    settings = Settings.load(["target=movie", "signals.weak=follow"])
    report = check_data(str(shared / "data" / "anime"), settings, Progress(quiet=True))
    assert report.health["interactions without time"] == report.health["items without description"] == 1
    assert report.interactions["movie"] > report.items["movie"] > 1000
