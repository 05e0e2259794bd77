"""An experiment from assignment to effect, as somebody types it."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from colisten.cli.main import cli
from colisten.errors import DataError, SettingsError
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.serving.experiment.answering import Participant
from colisten.serving.experiment.exposures import ExposureLog
from colisten.serving.experiment.groups import open_experiment
from colisten.serving.profile_writing import write_profiles
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.workdir import Workdir

GROUPS = ("--group", "control=0.5", "--group", "fresh=0.5")


@pytest.fixture
def workdir(world: tuple[Workdir, ListeningData, Settings], tmp_path: Path) -> Path:
    return Path(shutil.copytree(world[0].root, tmp_path / "W"))


def colisten(workdir: Path, *words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words), "--workdir", str(workdir)], catch_exceptions=False)


def lines(answer: Result) -> list[dict[str, object]]:
    assert answer.exit_code == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_from_assignment_to_effect(workdir: Path, tmp_path: Path) -> None:
    users = ListeningData(workdir / "listening").users["user_id"].to_list()
    (tmp_path / "ids.csv").write_text("\n".join(users))
    group_of = {
        row["user_id"]: row["group"]
        for row in lines(colisten(workdir, "experiment", "assign", "shelf", *users, *GROUPS))
    }
    assert set(group_of.values()) == {"control", "fresh"}
    asking = ("recommend", "--users", tmp_path / "ids.csv", "--experiment", "shelf", "-k", 3)
    for group in ("control", "fresh"):
        out = tmp_path / f"{group}.parquet"
        assert colisten(workdir, *asking, "--group", group, "--out", out).exit_code == 0
        answered = pl.read_parquet(out)["user_id"].unique().to_list()
        assert set(answered) == {user for user, mine in group_of.items() if mine == group}

    with pytest.raises(DataError, match="no stream after the first exposure"):
        colisten(workdir, "experiment", "read", "shelf")
    _all_of_one_group_stream(workdir, pl.read_parquet(tmp_path / "fresh.parquet"))
    found = {(row["group"], row["rate"]): row for row in lines(colisten(workdir, "experiment", "read", "shelf"))}
    assert found["fresh", "stream_rate"]["value"] == found["fresh", "new_start_rate"]["value"] == 1
    assert found["control", "stream_rate"]["value"] == 0
    assert found["fresh", "stream_rate"]["difference_low"] == 1


def test_other_answers_are_judged_by_those_that_explored(
    workdir: Path, tmp_path: Path, world: tuple[Workdir, ListeningData, Settings]
) -> None:
    """An answer by settings is what it was then: what was streamed since is in it, not left out."""
    groups = ("--group", "control=0.5", "--group", "explorer=0.5", "--arm", "explorer.epsilon=0.4")
    assert colisten(workdir, "experiment", "assign", "mood", *groups).exit_code == 0
    folder, query = Workdir.open(workdir), Query(4)
    mood = open_experiment(folder.experiments, "mood")
    users = list(mood.members(ListeningData(folder.listening).users["user_id"], "explorer"))
    with Recommender.open(folder, world[2]) as recommender, ExposureLog.open(folder.experiments) as log:
        for user in users:
            history, _ = recommender.profiles.read([user])
            parts = [Participant(mood, "explorer", user, str(place)) for place in range(5)]
            with log.transaction():
                log.add([part.answer(recommender, history, query)[1] for part in parts])
        answers = pl.DataFrame(list(recommender.recommend(users, query).rows()))
    answers.write_csv(tmp_path / "policy.csv")
    _all_of_one_group_stream(workdir, answers)
    write_profiles(ListeningData(folder.listening), folder.profiles, Progress(quiet=True))

    by_table = lines(colisten(workdir, "experiment", "estimate", "mood", "--policy", tmp_path / "policy.csv"))
    by_arm = lines(colisten(workdir, "experiment", "estimate", "mood", "--arm", "exploration=0"))
    assert by_arm == by_table
    assert {row["answers"] for row in by_table} == {5 * len(users)}
    logged, *estimated = [(float(str(row["low"])), float(str(row["high"]))) for row in by_table]
    assert all(low <= 1 <= high for low, high in estimated)  # everybody would stream the first item
    assert logged[1] < 1
    assert colisten(workdir, "experiment", "estimate", "mood").exit_code == 2
    with pytest.raises(SettingsError, match=r"policy\.exploration cannot be used"):
        colisten(workdir, "experiment", "estimate", "mood", "--arm", "exploration=2")
    with pytest.raises(DataError, match="Nothing was shown in 'mood' to control"):
        colisten(workdir, "experiment", "estimate", "mood", "--group", "control", "--arm", "exploration=0")


def _all_of_one_group_stream(workdir: Path, shown: pl.DataFrame) -> None:
    """Tomorrow's data: each of them streamed the first thing they were shown."""
    data = ListeningData(workdir / "listening")
    events = pl.read_parquet(data.interactions)
    more = shown.filter(pl.col("rank") == 1).join(data.users, on="user_id").join(data.items, on="item_id")
    later = {"timestamp": pl.lit(int(time.time()) + 60), "signal": pl.lit(0), "value": None}
    grown = pl.concat([events, more.with_columns(**later).select(events.columns).cast(events.schema)])
    grown.sort("user", maintain_order=True).write_parquet(data.interactions)


def test_what_was_shown_is_logged_once_it_is_there(workdir: Path, tmp_path: Path) -> None:
    colisten(workdir, "experiment", "assign", "shelf", *GROUPS)
    (tmp_path / "ids.csv").write_text("u3\nu4\nu3\n")
    asking = ("recommend", "--users", tmp_path / "ids.csv", "--experiment", "shelf", "--out", tmp_path / "recs.parquet")
    with pytest.raises(SettingsError, match="There is no item"):
        colisten(workdir, *asking, "--genre", "nothing of the kind")
    assert not (workdir / "experiments/shelf/exposures").exists()
    assert colisten(workdir, *asking).exit_code == 0
    (log,) = (workdir / "experiments/shelf/exposures").iterdir()
    shared = ["user_id", "item_id", "item_type", "rank"]
    assert pl.read_parquet(log).select(shared).equals(pl.read_parquet(tmp_path / "recs.parquet").select(shared))
    live = (workdir / "index/colisten.json").read_text()
    assert pl.read_parquet(log)["index"].unique().item() in live


def test_words_that_do_not_go_together(workdir: Path, tmp_path: Path) -> None:
    assert colisten(workdir, "recommend", "u3", "--experiment", "shelf").exit_code == 2
    assert colisten(workdir, "recommend", "u3", "--group", "fresh").exit_code == 2
    assert "NAME=SHARE" in colisten(workdir, "experiment", "assign", "shelf", "--group", "half").stderr
    with pytest.raises(SettingsError, match="no experiment 'shelf'"):
        colisten(workdir, "experiment", "read", "shelf")


def test_an_experiment_is_named_not_pointed_at(workdir: Path, tmp_path: Path) -> None:
    colisten(workdir, "experiment", "assign", "shelf", *GROUPS)
    (workdir / "experiments").rename(tmp_path / "elsewhere")
    (tmp_path / "ids.csv").write_text("u3\n")
    asking = ("recommend", "--users", tmp_path / "ids.csv", "--out", tmp_path / "recs.parquet", "--experiment")
    with pytest.raises(SettingsError, match="There is no experiment"):
        colisten(workdir, *asking, tmp_path / "elsewhere/shelf")
