from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.listening.data import ListeningData
from colisten.serving import new_releases, popular
from colisten.serving.new_releases import new_releases as releases_of
from colisten.serving.profile_writing import write_profiles
from colisten.serving.profiles import NewRelease, Profiles
from colisten.serving.recommending import Recommender
from colisten.serving.why.explaining import Explainer
from colisten.serving.why.path_finder import Evidence
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET
from tests.worlds import write_listening

NEWEST = date(2026, 3, 31)


def test_new_releases_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against plain Python, over 120 items of 12 creators, some with two, some with none, some without a date."""
    monkeypatch.setattr(new_releases, "MIN_LISTENERS", 3)
    rng = np.random.default_rng(5)
    ages = [int(age) if age < 90 else None for age in rng.integers(-10, 100, 120)]
    creators = [[f"c{one}" for one in rng.choice(12, size=rng.integers(0, 3), replace=False)] for _ in ages]
    seconds = int((NEWEST - date(1970, 1, 1)).total_seconds()) + 3600
    events = [
        (int(u), int(i), int(s), seconds - 9 * k) for k, (u, i, s) in enumerate(rng.integers(0, (40, 120, 2), (150, 3)))
    ]
    events[0] = (*events[0][:2], 0, seconds)
    retired = [item % 11 == 0 for item in range(120)]
    data = write_listening(tmp_path / "data", ["audiobook"] * 120, events, items={
        "published": [None if age is None else NEWEST - timedelta(age) for age in ages],
        "creators": creators, "retired": retired,
    })  # fmt: skip
    expected = {}
    for item, age in enumerate(ages):
        heard = {
            one: len({user for user, other, signal, _ in events if signal == 0 and one in creators[other]})
            for one in creators[item]
        }
        if age is not None and 0 <= age <= 30 and not retired[item] and max(heard.values(), default=0) >= 3:
            creator = min(heard, key=lambda one: (-heard[one], one))
            expected[item] = (age, creator, heard[creator])
    assert len(expected) > 10
    assert {item: tuple(row) for item, *row in releases_of(data)} == expected


def test_what_nobody_has_heard_is_explained_as_new(
    world: tuple[Workdir, ListeningData, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(popular, "_TOP", 0)
    workdir, data, settings = world
    newest = data.streams.select(pl.from_epoch(pl.col("timestamp").max()).dt.date()).collect().item()
    dates = pl.Series([newest - timedelta(days) for days in range(len(data.items))])
    (tmp_path / "data").mkdir()
    for file in data.root.iterdir():
        (tmp_path / "data" / file.name).write_bytes(file.read_bytes())
    data.items.with_columns(published=dates, creators=pl.lit(["A. Writer"])).write_parquet(
        tmp_path / "data/items.parquet"
    )
    write_profiles(ListeningData(tmp_path / "data"), tmp_path / "profiles.sqlite", QUIET)
    with Recommender.open(workdir, settings) as opened, Profiles.open(tmp_path / "profiles.sqlite") as profiles:
        recommender = replace(opened, profiles=profiles)
        explainer = Explainer(profiles, recommender.collection)
        living = data.items.filter(~pl.col("retired"))["item"].to_list()
        some = [item for item in living if item < 32][-6:] + [item for item in living if item > 40][:1]
        reasons = explainer.explain(recommender.anonymous_user([], {}), some, Evidence())
        assert profiles.new_releases(some).keys() == {item for item in some if item <= 30}
    for item, reason in zip(some, reasons, strict=True):
        assert reason.kind == ("new" if item <= 30 else "model")
        if reason.about is not None and reason.kind == "new":
            found = NewRelease(**reason.about)
            assert (found.days, found.creator) == (item, "A. Writer")
            assert (
                reason.words
                == f"new this {'week' if item < 7 else 'month'} from A. Writer, who has {found.listeners} listeners"
            )
