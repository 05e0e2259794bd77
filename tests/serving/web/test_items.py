"""Items withdrawn over HTTP are gone from the next answer of every process, and come back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from colisten.listening.data import ListeningData
from colisten.serving.web.app import create_app
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.cli.conftest import command

World = tuple[Workdir, ListeningData, Settings]
AS_JSON = {"Content-Type": "application/json"}


@pytest.fixture
def own(world: World, tmp_path: Path) -> Workdir:
    """A copy of the served folder, whose rules may change."""
    shutil.copytree(world[0].root, tmp_path / "W")
    return Workdir.open(tmp_path / "W")


@pytest.fixture
def servers(own: Workdir, world: World) -> Iterator[list[TestClient]]:
    with (
        TestClient(create_app(own, world[2]), base_url="http://localhost", headers=AS_JSON) as first,
        TestClient(create_app(own, world[2]), base_url="http://localhost", headers=AS_JSON) as second,
    ):
        yield [first, second]


def shown(server: TestClient, path: str, **parameters: str | bool | int) -> list[str]:
    found = server.get(path, params={"k": 100, **parameters})
    assert found.status_code == 200, found.text
    return [item["item_id"] for item in found.json()["items"]]


def test_gone_from_the_next_answer_of_every_server_and_back(servers: list[TestClient], own: Workdir) -> None:
    before = {path: shown(servers[1], path, **asked) for path, asked in ASKED.items()}
    gone = [before["/recommend"][0], before["/similar"][0]]
    path = f"/items/{quote(gone[0], safe='')}/withdraw"
    assert servers[0].post(path).json() == {"item_id": gone[0], "withdrawn": True}
    subprocess.run(command("items", "withdraw", gone[1], "--workdir", str(own.root)), check=True)
    for server in servers:
        for asked, parameters in ASKED.items():
            found = shown(server, asked, **parameters)
            assert not set(found) & set(gone)
            rest = [item for item in before[asked] if item not in gone]
            assert found[: len(rest)] == rest
    assert servers[1].delete(path).json() == {"item_id": gone[0], "withdrawn": False}
    assert servers[1].delete(path).status_code == 200
    subprocess.run(command("items", "restore", gone[1], "--workdir", str(own.root)), check=True)
    assert {asked: shown(servers[0], asked, **parameters) for asked, parameters in ASKED.items()} == before


ASKED: dict[str, dict[str, str | bool | int]] = {
    "/recommend": {"user": "u5"},
    "/similar": {"item": "Title 3", "across": True},
}


def test_available_where_and_when_it_was_told_from_the_next_answer_on(servers: list[TestClient]) -> None:
    def seen() -> tuple[bool, bool, bool]:
        return tuple(
            item in shown(servers[1], "/recommend", user="u5", **asked)
            for asked in (dict[str, str](), {"market": "SE"}, {"market": "us"})
        )  # type: ignore[return-value]

    item = shown(servers[0], "/recommend", user="u5")[0]
    path = f"/items/{quote(item, safe='')}/availability"
    assert seen() == (True, True, True)
    for rows, expected in (
        ([{"country": "SE"}], (False, True, False)),
        ([{"until": "2020-01-01"}, {"country": "US", "from": 5, "until": "9999-12-31"}], (False, False, True)),
        ([{"from": "2999-01-01T00:00:00Z"}], (False, False, False)),
        ([{"from": "2020-03-02", "until": "2020-03-01"}], (False, False, False)),
        ([], (True, True, True)),
    ):
        told = servers[0].put(path, json=rows)
        assert told.json() == {"item_id": item, "rows": len(rows), "known": True}, told.text
        assert seen() == expected
    servers[0].put(path, json=[{"country": "NO"}])
    assert seen() == (False, False, False)
    assert servers[0].delete(path).json() == {"item_id": item, "told": True}
    assert seen() == (True, True, True)
    assert servers[0].put("/items/not-yet/availability", json=[]).json()["known"] is False
    for wrong in ({"from": "soon"}, {"from": True}, {"until": 10**13}, {"until": 1.5}, {"to": 1}):
        assert servers[0].put(path, json=[wrong]).status_code == 422


def test_an_unknown_item_is_404(servers: list[TestClient]) -> None:
    refused = servers[0].post("/items/nothing/withdraw")
    assert refused.status_code == 404
    assert refused.json() == {"error": "There is no item 'nothing'"}


def test_a_mixed_and_varied_answer(servers: list[TestClient]) -> None:
    found = servers[0].get("/recommend", params={"user": "u5", "types": "audiobook:4,podcast:3", "diversity": 0.3})
    kinds = [item["item_type"] for item in found.json()["items"]]
    assert len(kinds) == 10
    assert kinds.count("audiobook") >= 4
    assert kinds.count("podcast") >= 3
    for wrong in ({"types": "audiobook:8,podcast:4"}, {"types": "audiobook", "type": "podcast"}):
        assert servers[0].get("/recommend", params={"user": "u5", **wrong}).status_code == 409
    assert servers[0].get("/recommend", params={"user": "u5", "diversity": 2}).status_code == 422
    assert servers[0].get("/recommend", params={"user": "u5", "types": "song"}).status_code == 404
