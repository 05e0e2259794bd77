"""Experiments over HTTP: a user's group is that of the hash, its answer is logged before it is sent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from colisten.evaluation.experiment.exposures import read_exposures
from colisten.listening.data import ListeningData
from colisten.serving.experiment.groups import create_experiment, open_experiment
from colisten.serving.experiment.slots import propensities
from colisten.serving.publishing import publish
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.serving.rules.store import Rule, RuleStore
from colisten.serving.web.app import create_app
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET

World = tuple[Workdir, ListeningData, Settings]
GROUPS = {"control": 0.4, "fresh": 0.3, "explorer": 0.2}
ARMS = {"fresh": {"exploration": 1.0}, "explorer": {"epsilon": 0.4, "pool": 20}}


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Workdir:
    return Workdir.open(Path(shutil.copytree(world[0].root, tmp_path / "W")))


@pytest.fixture
def ask(folder: Workdir, world: World) -> Iterator[TestClient]:
    with TestClient(create_app(folder, world[2]), base_url="http://localhost") as client:
        yield client


def logged(folder: Workdir, name: str = "shelf") -> pl.DataFrame:
    found = read_exposures(folder.experiments / name)
    return pl.DataFrame() if found is None else found.collect()


def users_of(folder: Workdir, group: str | None, count: int) -> list[str]:
    shelf = open_experiment(folder.experiments, "shelf")
    return [user for user in (f"u{i}" for i in range(57)) if shelf.group_of(user) == group][:count]


def test_each_group_is_answered_its_own_way_and_logged(ask: TestClient, folder: Workdir, world: World) -> None:
    create_experiment(folder.experiments, "shelf", GROUPS, arms=ARMS)
    with Recommender.open(folder, world[2]) as recommender:
        for group, exploration in (("control", None), ("fresh", 1.0)):
            (user,) = users_of(folder, group, 1)
            found = ask.get("/recommend", params={"user": user, "k": 5, "experiment": "shelf"}).json()
            assert found["experiment"]["group"] == group
            expected = recommender.recommend([user], Query(5, exploration=exploration))
            assert [item["item_id"] for item in found["items"]] == [item.item_id for item in expected.items]
            rows = logged(folder).filter(request_id=found["experiment"]["request_id"]).sort("rank")
            assert rows.select("user_id", "group", "item_id", "item_type", "rank", "propensity", "index").rows() == [
                (user, group, item["item_id"], item["item_type"], item["rank"], 1.0, recommender.collection.name)
                for item in found["items"]
            ]


def test_a_group_that_explores_logs_what_each_slot_had_for_a_chance(
    ask: TestClient, folder: Workdir, world: World
) -> None:
    create_experiment(folder.experiments, "shelf", GROUPS, arms=ARMS)
    (user,) = users_of(folder, "explorer", 1)
    with Recommender.open(folder, world[2]) as recommender:
        pool = [item.item_id for item in recommender.recommend([user], Query(20)).items]
    seen = set()
    for request in range(20):
        asking: dict[str, str | int] = {"user": user, "k": 4, "experiment": "shelf", "request_id": f"r{request}"}
        found = ask.get("/recommend", params=asking).json()
        assert found == ask.get("/recommend", params=asking).json()
        rows = logged(folder).filter(request_id=f"r{request}").sort("rank")
        slots = np.array([[pool.index(item["item_id"]) for item in found["items"]]])
        assert rows["item_id"].to_list() == [item["item_id"] for item in found["items"]]
        assert rows["propensity"].to_list() == propensities(slots, 20, 0.4)[0].tolist()
        seen |= set(slots[0].tolist())
    assert len(seen) > 10


def test_rules_hold_where_slots_are_filled_at_random(ask: TestClient, folder: Workdir, world: World) -> None:
    create_experiment(folder.experiments, "shelf", GROUPS, arms=ARMS)
    (user,) = users_of(folder, "explorer", 1)
    with Recommender.open(folder, world[2]) as recommender:
        pool = [item.item_id for item in recommender.recommend([user], Query(40)).items]
    RuleStore(folder.rules).add([Rule("deny", "item", one, user) for one in pool[:20]])
    for request in range(5):
        asking = {"user": user, "experiment": "shelf", "request_id": str(request)}
        shown = {item["item_id"] for item in ask.get("/recommend", params=asking).json()["items"]}
        assert len(shown) == 10
        assert shown <= set(pool[20:])
    mixed = {"user": user, "experiment": "shelf", "types": "audiobook:3,podcast:4"}
    assert ask.get("/recommend", params=mixed).status_code == 200
    assert logged(folder).filter(item_type="podcast")["propensity"].unique().to_list() == [1.0]


def test_who_takes_no_part_is_told_and_not_logged(ask: TestClient, folder: Workdir) -> None:
    create_experiment(folder.experiments, "shelf", GROUPS)
    (outsider,) = users_of(folder, None, 1)
    for asking, note in (({"user": outsider}, "takes no part"), ({"likes": "Title 2"}, "Nobody without a user id")):
        found = ask.get("/recommend", params=asking | {"experiment": "shelf"}).json()
        assert found["experiment"] is None
        assert note in found["notes"][0]
        assert found["items"]
    assert logged(folder).is_empty()
    assert ask.get("/recommend", params={"user": "u1", "experiment": "self"}).status_code == 404


def test_a_group_may_have_an_index_of_its_own(ask: TestClient, folder: Workdir, world: World) -> None:
    with Recommender.open(folder, world[2]) as recommender:
        before = recommender.collection.name
    publish(folder, world[1], world[2], QUIET)
    create_experiment(folder.experiments, "shelf", GROUPS, arms={"fresh": {"index": before}})
    for group in ("control", "fresh"):
        (user,) = users_of(folder, group, 1)
        assert ask.get("/recommend", params={"user": user, "experiment": "shelf"}).status_code == 200
    indexes = dict(logged(folder).select("group", "index").unique().rows())
    assert indexes["fresh"] == before != indexes["control"]
    assert ask.get("/health").json()["index"] == indexes["control"]


def test_answers_at_once_are_all_logged(ask: TestClient, folder: Workdir) -> None:
    create_experiment(folder.experiments, "shelf", {"a": 0.5, "b": 0.5})

    def answered(place: int) -> str:
        asking = {"user": f"u{place % 50}", "experiment": "shelf"}
        return str(ask.get("/recommend", params=asking).json()["experiment"]["request_id"])

    with ThreadPoolExecutor(8) as threads:
        requests = list(threads.map(answered, range(60)))
    assert set(logged(folder)["request_id"]) == set(requests)
    assert len(set(requests)) == 60


def test_what_cannot_be_logged_is_not_shown(ask: TestClient, folder: Workdir) -> None:
    create_experiment(folder.experiments, "shelf", {"a": 0.5, "b": 0.5})
    (folder.experiments / "exposures.sqlite").write_bytes(b"damaged, and long enough to be looked at" * 30)
    answer = ask.get("/recommend", params={"user": "u1", "experiment": "shelf"})
    assert answer.status_code == 503
    assert "exposures.sqlite cannot be used" in answer.json()["error"]
    assert ask.get("/recommend", params={"user": "u1"}).status_code == 200
    for _ in range(2):
        for part in folder.experiments.glob("exposures.sqlite*"):
            part.unlink()
        answer = ask.get("/recommend", params={"user": "u1", "experiment": "shelf"})
        assert logged(folder)["request_id"].unique().to_list() == [answer.json()["experiment"]["request_id"]]


def test_groups_are_those_that_the_command_assigns(folder: Workdir, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from colisten.cli.main import cli

    users = [f"user-{i}" for i in range(10_000)]
    (tmp_path / "ids.csv").write_text("\n".join(users))
    words = ["experiment", "assign", "shelf", "--group", "control=0.5", "--group", "fresh=0.3", "--csv"]
    said = CliRunner().invoke(cli, [*words, "--users", str(tmp_path / "ids.csv"), "--workdir", str(folder.root)])
    assigned = pl.read_csv(said.stdout.encode())
    served = open_experiment(folder.experiments, "shelf")
    assert assigned["user_id"].to_list() == users
    assert assigned["group"].to_list() == [served.group_of(user) for user in users]
