"""A new item is answered from its text at once, over HTTP and in every process: by the real encoder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from safetensors.numpy import save_file

from colisten.listening.data import ListeningData
from colisten.serving.publishing import publish
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.serving.web.app import create_app
from colisten.settings import Settings
from colisten.text.encoder import Encoder
from colisten.workdir import Workdir
from tests.serving.web.conftest import serving
from tests.serving.worlds import QUIET

World = tuple[Workdir, ListeningData, Settings]
SUBJECTS = ("a murder on the moor", "baking bread with sourdough", "a love in Paris", "the legions of Rome")
"""Users of the world listen to items of one subject each."""
WORDS: dict[str, Any] = {
    "item_type": "audiobook", "title": "A killing in the marsh", "language": "en", "genres": ["bog noir"],
    "description": "An inspector hunts the murderer on the moor.", "creators": ["N. Ewcomer"],
}  # fmt: skip


@pytest.fixture(scope="module")
def published(world: World, tmp_path_factory: pytest.TempPathFactory) -> Workdir:
    """The world with texts of four subjects."""
    workdir = Workdir.open(Path(shutil.copytree(world[0].root, tmp_path_factory.mktemp("new") / "W")))
    titles = [f"{SUBJECTS[item % 4]}, part {item // 4}" for item in range(len(world[1].items))]
    save_file({"text": Encoder(world[2].text).encode(titles)}, workdir.features / "text.safetensors")
    publish(workdir, world[1], world[2], QUIET)
    return workdir


@pytest.fixture
def workdir(published: Workdir, tmp_path: Path) -> Workdir:
    return Workdir.open(Path(shutil.copytree(published.root, tmp_path / "W", copy_function=shutil.copy)))


@pytest.fixture
def ask(world: World, workdir: Workdir) -> Iterator[TestClient]:
    with TestClient(create_app(workdir, world[2]), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def elsewhere(world: World, workdir: Workdir) -> Iterator[TestClient]:
    """Another server over the same folder, without a text encoder."""
    settings = world[2].model_copy(update={"text": world[2].text.model_copy(update={"encoder": "/none"})})
    with TestClient(create_app(workdir, settings), base_url="http://localhost") as client:
        yield client


def shown(server: TestClient, path: str, **parameters: str | int | float | bool) -> list[str]:
    found = server.get(path, params={"k": 100, **parameters})
    assert found.status_code == 200, found.text
    return [item["item_id"] for item in found.json()["items"]]


def group(item_id: str) -> int:
    return int("".join(filter(str.isdigit, item_id))) % 4


def test_a_new_item_is_in_the_next_answers_of_every_process(ask: TestClient, elsewhere: TestClient) -> None:
    assert "fresh/1" not in shown(elsewhere, "/recommend", user="u4")
    assert ask.put("/items/fresh/1", json=WORDS).json() == {
        "item_id": "fresh/1", "new": True, "at_once": True,
        "note": "It is recommended from the next answer on, by its text.",
    }  # fmt: skip
    for server in (ask, elsewhere):
        assert "fresh/1" in shown(server, "/recommend", user="u4")
        assert "fresh/1" in shown(server, "/recommend", user="u4", types="podcast,audiobook", diversity=0.1)
        assert "fresh/1" not in shown(server, "/recommend", user="u4", type="podcast")
        assert shown(server, "/recommend", user="u4", genre="bog noir", language="en") == ["fresh/1"]
        assert shown(server, "/recommend", user="u4", genre="bog noir", language="de") == []
        near = shown(server, "/similar", item="a KILLING in the marsh", k=5)
        assert len({*near, "fresh/1"}) == 6
        assert "fresh/1" in shown(server, "/similar", item=near[0], k=10)
        assert shown(server, "/titles", q="killing", k=10) == ["fresh/1"]
    assert shown(ask, "/search", q="who killed him in the marsh?")[0] == "fresh/1"
    why = ask.get("/why", params={"user": "u4", "item": "fresh/1"}).json()
    assert (why["kind"], group(why["about"]["item_id"])) == ("text", 0)
    assert elsewhere.get("/search", params={"q": "a marsh"}).status_code == 404


def test_it_is_for_those_who_like_what_its_text_is_about(world: World, workdir: Workdir, ask: TestClient) -> None:
    ask.put("/items/fresh", json=WORDS)
    users = [f"u{number}" for number in range(2, 57)]
    with Recommender.open(workdir, world[2]) as recommender:
        together = recommender.recommend(users, Query(240, include_heard=True, exploration=1))
        place = {
            user: rank
            for user, item, rank in zip(together.user_ids, together.items, together.ranks.tolist(), strict=True)
            if item.item_id == "fresh"
        }
        alone = recommender.recommend(["u4"], Query(240, include_heard=True, exploration=1))
    assert [item.item_id for item in alone.items].index("fresh") == place["u4"] - 1
    mean = [np.mean([place[user] for user in users if int(user[1:]) % 4 == kind]) for kind in range(4)]
    assert min(mean[1:]) > mean[0]


def test_what_is_heard_withdrawn_or_told_anew_holds_at_once(ask: TestClient, elsewhere: TestClient) -> None:
    assert elsewhere.post("/events", json={"user_id": "u5", "item_id": "fresh", "signal": "stream"}).json() == {
        "accepted": 1, "duplicates": 0, "unknown_items": 1, "refused": [],
    }  # fmt: skip
    ask.put("/items/fresh", json=WORDS)
    assert "fresh" not in shown(elsewhere, "/recommend", user="u5"), "what waited for the item"
    taken = elsewhere.post("/events", json={"user_id": "u4", "item_id": "fresh", "signal": "stream"}).json()
    assert taken["unknown_items"] == 0
    for server in (ask, elsewhere):
        assert "fresh" not in shown(server, "/recommend", user="u4")
        assert "fresh" in shown(server, "/recommend", user="u4", include_heard=True)
        assert "fresh" in shown(server, "/recommend", user="u6")
    assert elsewhere.post("/items/fresh/withdraw", headers={"Content-Type": "application/json"}).status_code == 200
    assert "fresh" not in shown(ask, "/recommend", user="u6") + shown(ask, "/search", q="a killing in the marsh")
    elsewhere.delete("/items/fresh/withdraw")
    assert ask.put("/items/fresh/availability", json=[{"country": "SE"}]).json()["known"]
    assert "fresh" not in shown(elsewhere, "/recommend", user="u6", market="US")
    assert "fresh" in shown(elsewhere, "/recommend", user="u6", market="se")
    assert ask.put("/items/fresh", json=WORDS | {"item_type": "podcast"}).json()["at_once"]
    assert "fresh" in shown(elsewhere, "/recommend", user="u6", market="SE", type="podcast")
    assert "fresh" not in shown(elsewhere, "/recommend", user="u6", market="SE")


@pytest.mark.parametrize(
    ("server", "more"), [("elsewhere", {}), ("ask", {"item_type": "never heard of"}), ("ask", {"title": ""})]
)
def test_what_cannot_be_placed_waits_and_is_said_to(
    request: pytest.FixtureRequest, server: str, more: dict[str, str]
) -> None:
    """Without a text encoder, of a new type, without a text; the place of what was told before is gone."""
    ask, there = request.getfixturevalue("ask"), request.getfixturevalue(server)
    assert ask.put("/items/fresh", json=WORDS).json()["at_once"]
    words = WORDS | more if "title" not in more else {"item_type": "audiobook"}
    assert there.put("/items/fresh", json=words).json() == {
        "item_id": "fresh", "new": True, "at_once": False,
        "note": "It is recommended from the next `colisten run` on.",
    }  # fmt: skip
    assert "fresh" not in shown(ask, "/recommend", user="u4")


def test_the_encoder_is_loaded_by_the_first_text(published: Workdir) -> None:
    with serving(published.root) as (address, process):
        assert httpx.get(f"{address}/recommend", params={"user": "u4"}).json()["items"]
        assert httpx.get(f"{address}/readyz").json()["search"]
        maps = Path(f"/proc/{process.pid}/maps")
        assert "libtorch" not in maps.read_text()
        assert httpx.get(f"{address}/search", params={"q": "a murder"}, timeout=120).json()["items"]
        assert "libtorch" in maps.read_text()
