"""A/B test analysis: known effects are found, and none where there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.errors import DataError, WorkdirError
from colisten.evaluation.experiment.analysis import GroupRate, _resampled, analyse_experiment
from colisten.evaluation.experiment.exposures import forget_exposures, log_exposures, read_exposures
from colisten.evaluation.experiment.streams import imported_streams
from colisten.serving.experiment.groups import Experiment
from tests.worlds import plain_users, write_listening

SHOWN_AT = 1_700_000_000
DAY = 86_400
BOTH = Experiment("shelf", "shelf", {"control": 0.5, "fresh": 0.5})
ITEMS = ["shown", "other", "show"]
Event = tuple[str, str, int | None]


def listening(folder: Path, events: Sequence[Event], weak: Sequence[Event] = ()) -> pl.LazyFrame:
    """Two audiobooks, `shown` and `other`, a podcast `show`, and the streams of users with times."""
    users = sorted({user for user, *_ in [*events, *weak]})
    rows = [
        (users.index(user), ITEMS.index(item), signal, time)
        for signal, some in enumerate((events, weak)) for user, item, time in some
    ]  # fmt: skip
    people = plain_users(len(users)).with_columns(user_id=pl.Series(users))
    kinds = ["audiobook", "audiobook", "podcast"]
    return imported_streams(write_listening(folder, kinds, rows, items={"item_id": ITEMS}, users=people))


def exposures(group_of: Mapping[str, str]) -> pl.LazyFrame:
    """All users were shown the book `shown`."""
    rows = [(user, group, "shown", "audiobook", 1, SHOWN_AT, "i") for user, group in group_of.items()]
    return pl.LazyFrame(rows, ["user_id", "group", "item_id", "item_type", "rank", "at", "index"], orient="row")


def rate_of(found: list[GroupRate], group: str, rate: str) -> GroupRate:
    return next(one for one in found if (one.group, one.rate) == (group, rate))


def world(folder: Path, rates: Mapping[str, float], users: int, seed: int) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """All users are shown one book; each streams it a day later by the rate of their group."""
    members = BOTH.members(f"u{i}" for i in range(users))
    chance = np.random.default_rng(seed).random(users)
    events = [
        (user, "shown", SHOWN_AT + DAY)
        for draw, (user, group) in zip(chance, members.items(), strict=True)
        if draw < rates[group]
    ]
    return exposures(members), listening(folder, [("u0", "other", 1), *events])


def test_a_known_effect_is_found(tmp_path: Path) -> None:
    shown, data = world(tmp_path / "d", {"control": 0.10, "fresh": 0.15}, 6000, seed=1)
    found = analyse_experiment(BOTH, shown, data)
    for rate in ("stream_rate", "new_start_rate"):
        control, fresh = (rate_of(found, group, rate) for group in ("control", "fresh"))
        assert control.low < 0.10 < control.high
        assert fresh.low < 0.15 < fresh.high
        assert fresh.difference_low is not None
        assert fresh.difference_high is not None
        assert 0 < fresh.difference_low < 0.05 < fresh.difference_high
        assert fresh.change == pytest.approx(fresh.value / control.value - 1)
        assert control.difference is None
        assert control.users + fresh.users == 6000
    assert found == analyse_experiment(BOTH, shown, data)


def test_no_effect_is_found_where_there_is_none(tmp_path: Path) -> None:
    """Over forty worlds without an effect the interval of 95 % holds 0 in all but a few."""
    holds = 0
    for seed in range(40):
        shown, data = world(tmp_path / str(seed), {"control": 0.2, "fresh": 0.2}, 500, seed)
        fresh = rate_of(analyse_experiment(BOTH, shown, data, draws=2000), "fresh", "stream_rate")
        assert fresh.difference_low is not None
        assert fresh.difference_high is not None
        holds += fresh.difference_low <= 0 <= fresh.difference_high
    assert holds >= 35


def test_the_interval_is_that_of_drawing_users_one_by_one(tmp_path: Path) -> None:
    shown, data = world(tmp_path / "d", {"control": 0.3, "fresh": 0.3}, 400, seed=3)
    control = rate_of(analyse_experiment(BOTH, shown, data), "control", "stream_rate")
    outcomes = np.repeat(
        [1.0, 0.0], np.round([control.value * control.users, (1 - control.value) * control.users]).astype(int)
    )
    drawn = np.random.default_rng(0).choice(outcomes, (10_000, len(outcomes))).mean(axis=1)
    assert (control.low, control.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.006)


def test_the_order_of_users_changes_no_interval() -> None:
    """Outcomes come out of a streaming engine, in any order."""
    outcomes = pl.DataFrame({"streamed": [1.0, 0.0, 0.0, 1.0], "started": [0.0, 0.0, 1.0, 0.0]})
    forwards, backwards = (
        _resampled(rows, 50, np.random.default_rng(0)).tolist() for rows in (outcomes, outcomes.reverse())
    )
    assert forwards == backwards


@pytest.mark.parametrize(
    ("events", "streamed", "started"),
    [
        ([("u", "shown", SHOWN_AT + 1)], 1, 1),
        ([("u", "shown", SHOWN_AT - 1)], 0, 0),
        ([("u", "shown", SHOWN_AT)], 0, 0),
        ([("u", "shown", None), ("u", "shown", SHOWN_AT + 1)], 1, 0),
        ([("u", "shown", 1), ("u", "shown", SHOWN_AT + 1)], 1, 0),
        ([("u", "other", SHOWN_AT + 1)], 0, 1),
        ([("u", "show", SHOWN_AT + 1)], 0, 0),
        ([("u", "shown", SHOWN_AT + 3 * DAY)], 0, 0),
        ([("u", "shown", SHOWN_AT + 2 * DAY)], 1, 1),
        ([], 0, 0),
    ],
)
def test_what_counts_as_an_effect(tmp_path: Path, events: list[Event], streamed: int, started: int) -> None:
    others = [("w", "show", SHOWN_AT + 5 * DAY), ("stranger", "shown", SHOWN_AT + 1)]
    data = listening(tmp_path / "d", [*events, *others], weak=[("u", "shown", SHOWN_AT + 1)])
    found = analyse_experiment(BOTH, exposures({"u": "fresh", "w": "control"}), data, days=2, draws=100)
    assert rate_of(found, "fresh", "stream_rate").value == streamed
    assert rate_of(found, "fresh", "new_start_rate").value == started
    assert rate_of(found, "control", "stream_rate").value == 0


def test_no_stream_after_the_exposure_is_refused(tmp_path: Path) -> None:
    data = listening(tmp_path / "d", [("u", "shown", SHOWN_AT - 5)])
    with pytest.raises(DataError, match="no stream after the first exposure"):
        analyse_experiment(BOTH, exposures({"u": "fresh"}), data)


def logged(folder: Path) -> pl.DataFrame:
    log = read_exposures(folder)
    assert log is not None
    return log.collect()


def test_logs_are_kept_batch_by_batch_and_forget(tmp_path: Path) -> None:
    assert read_exposures(tmp_path) is None
    answers = pl.LazyFrame(
        {
            "user_id": ["u", "u", "v"],
            "item_id": ["a", "b", "a"],
            "item_type": ["x"] * 3,
            "score": [1.0] * 3,
            "rank": [1, 2, 1],
        }
    )
    log_exposures(tmp_path, answers, {"u": "control", "v": "fresh"}, "c-1")
    log_exposures(tmp_path, answers.head(2), {"u": "control"}, "c-2")
    nobody = pl.LazyFrame(schema=answers.collect_schema())
    log_exposures(tmp_path, nobody, {}, "c-3")
    shown = logged(tmp_path)
    assert shown.select("user_id", "group", "item_id", "rank", "index").rows() == [
        ("u", "control", "a", 1, "c-1"), ("u", "control", "b", 2, "c-1"), ("v", "fresh", "a", 1, "c-1"),
        ("u", "control", "a", 1, "c-2"), ("u", "control", "b", 2, "c-2"),
    ]  # fmt: skip
    assert forget_exposures(tmp_path, "u") == 4
    assert forget_exposures(tmp_path, "u") == 0
    assert logged(tmp_path)["user_id"].to_list() == ["v"]
    for path in tmp_path.rglob("*.parquet"):
        os.truncate(path, path.stat().st_size // 2)
    for asked in (lambda: logged(tmp_path), lambda: forget_exposures(tmp_path, "v")):
        with pytest.raises(WorkdirError, match=r"\.parquet is damaged: remove it"):
            asked()
