"""Groups by hash: for good, by share, independent between experiments."""

from __future__ import annotations

from collections import Counter
from math import nan
from pathlib import Path

import pytest

from colisten.errors import SettingsError, WorkdirError
from colisten.serving.experiment.arms import Arm
from colisten.serving.experiment.groups import Experiment, create_experiment, open_experiment

USERS = [f"u{i}" for i in range(20_000)]
HALVES = {"control": 0.5, "fresh": 0.5}


def test_a_user_stays_where_they_are() -> None:
    shelf = Experiment("shelf", "shelf", HALVES)
    assert shelf.members(USERS) == Experiment("shelf", "shelf", dict(HALVES)).members(reversed(USERS))
    assert [shelf.group_of(user) for user in ("u1", "u2", "u3", "ü")] == ["fresh", "control", "control", "fresh"]


def test_groups_have_their_shares_and_the_rest_takes_no_part() -> None:
    counts = Counter(Experiment("e", "e", {"a": 0.1, "b": 0.3, "c": 0.2}).group_of(user) for user in USERS)
    for group, share in {"a": 0.1, "b": 0.3, "c": 0.2, None: 0.4}.items():
        assert counts[group] / len(USERS) == pytest.approx(share, abs=0.015)


def test_shares_that_make_one_leave_nobody_out() -> None:
    assert None not in {Experiment("e", "e", {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}).group_of(user) for user in USERS}


def test_salts_make_experiments_independent() -> None:
    one, other = (Experiment("e", salt, HALVES) for salt in ("one", "other"))
    together = Counter((one.group_of(user), other.group_of(user)) for user in USERS)
    assert all(count / len(USERS) == pytest.approx(0.25, abs=0.015) for count in together.values())


def test_an_experiment_does_not_change_under_way(tmp_path: Path) -> None:
    laid = create_experiment(tmp_path, "shelf", HALVES)
    assert create_experiment(tmp_path, "shelf", HALVES) == laid == open_experiment(tmp_path, "shelf")
    with pytest.raises(SettingsError, match=r"under way with control=0\.5, fresh=0\.5"):
        create_experiment(tmp_path, "shelf", {"control": 0.4, "fresh": 0.6})
    for other in ({"salt": "another"}, {"arms": {"fresh": {"epsilon": 0.1}}}):
        with pytest.raises(SettingsError, match="under way"):
            create_experiment(tmp_path, "shelf", HALVES, **other)


def test_how_a_group_is_answered_is_kept(tmp_path: Path) -> None:
    arms = {"fresh": {"epsilon": "0.1", "index": "colisten-20261115T031634817"}}
    laid = create_experiment(tmp_path, "shelf", HALVES, arms=arms)
    assert open_experiment(tmp_path, "shelf") == laid
    assert laid.arm("fresh") == Arm(epsilon=0.1, index="colisten-20261115T031634817")
    assert laid.arm("control") == Arm()


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ({"new": {}}, "no group 'new'"),
        ({"fresh": {"epsilon": "much"}}, r"fresh\.epsilon cannot be used"),
        ({"fresh": {"epsilon": 0.6}}, r"fresh\.epsilon cannot be used"),
        ({"fresh": {"types": "audiobook:3,podcast:1", "epsilon": 0.1}}, "cannot explore"),
        ({"fresh": {"types": "audiobook,audiobook"}}, "no item types"),
        ({"fresh": {"colour": 1}}, "no setting 'colour': there are index"),
    ],
)
def test_answers_that_cannot_be(tmp_path: Path, arms: dict[str, dict[str, object]], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        create_experiment(tmp_path, "shelf", HALVES, arms=arms)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("../up", HALVES),
        ("e", {"a": 1.0}),
        ("e", {"a": 0.7, "b": 0.7}),
        ("e", {"a": 0.5, "b": 0}),
        ("e", {"a": 0.5, "b": nan}),
        ("e", {"a": nan, "b": 0.5}),
        ("e", {"A b": 0.5, "c": 0.5}),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, name: str, groups: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        create_experiment(tmp_path, name, groups)
    assert not list(tmp_path.iterdir())


def test_unknown_names_are_told(tmp_path: Path) -> None:
    create_experiment(tmp_path, "shelf", HALVES)
    with pytest.raises(SettingsError, match="there are: shelf"):
        open_experiment(tmp_path, "self")
    with pytest.raises(SettingsError, match="no group 'new'"):
        open_experiment(tmp_path, "shelf").members(USERS, "new")
    next(tmp_path.rglob("experiment.json")).write_text('{"name": "shelf"}')
    with pytest.raises(WorkdirError, match="is damaged: remove it"):
        open_experiment(tmp_path, "shelf")
