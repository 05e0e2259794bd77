"""The API over a real index and a real graph, called in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from colisten.errors import SettingsError
from colisten.listening.data import ListeningData
from colisten.serving.query import Query
from colisten.serving.recommending import Recommendations, Recommender
from colisten.serving.web.app import create_app
from colisten.settings import ServeSettings, Settings
from colisten.workdir import Workdir

World = tuple[Workdir, ListeningData, Settings]
Parameter = str | int | list[str]
KEY = "open-sesame"


@pytest.fixture(scope="module")
def ask(world: World, with_graph: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(world[0], with_graph), base_url="http://localhost") as client:
        yield client


def test_the_answers_are_those_of_the_recommender(world: World, ask: TestClient) -> None:
    recommender = Recommender.open(world[0], world[2])
    query = Query(5, "podcast", ("en", "de"))
    request: dict[str, Parameter] = {"k": 5, "type": "podcast", "language": ["en", "de"]}
    calls: tuple[tuple[dict[str, Parameter], Recommendations], ...] = (
        ({"user": "u5"}, recommender.recommend(["u5"], query)),
        ({"likes": ["Title 2", "title 9"], "country": "US", "age": 30},
         recommender.recommend_for(["Title 2", "Title 9"], {"country": "US", "age": "30"}, query)),
    )  # fmt: skip
    for call, expected in calls:
        found = ask.get("/recommend", params=request | call).json()
        assert found["notes"] == []
        assert [item | {"why": None} for item in expected.titled()] == found["items"]
    near = ask.get("/similar", params={"item": "Title 3", "across": True}).json()["items"]
    assert near == list(recommender.similar("Title 3", Query(), across=True).titled())
    assert len({item["item_type"] for item in near}) > 1


def test_reasons_come_with_paths(ask: TestClient) -> None:
    items = ask.get("/recommend", params={"user": "u5", "why": True}).json()["items"]
    joined = [item for item in items if item["why"]["kind"] == "listeners"]
    assert joined
    alone = ask.get("/why", params={"user": "u5", "item": joined[0]["item_id"]}).json()
    assert alone == joined[0]["why"]
    near = ask.get("/neighbourhood", params={"item": alone["paths"][0]["items"][-1]["item_id"], "k": 30}).json()
    last = alone["paths"][0]["items"][-2]["item_id"]
    assert last in {neighbour["item_id"] for neighbour in near["neighbours"]}


def test_an_unknown_user_is_noted(ask: TestClient) -> None:
    found = ask.get("/recommend", params={"user": "who?"}).json()
    assert len(found["items"]) == 10
    assert "Never seen before" in found["notes"][0]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/recommend?user=u1&country=SE", 409, "not both"),
        ("/recommend?usr=u1", 422, "no parameter 'usr'"),
        ("/recommend?k=1000", 422, "'k' cannot be used"),
        ("/recommend?" + "&".join(["likes=x"] * 101), 422, "likes"),
        ("/recommend?type=audiobok", 404, "did you mean 'audiobook'"),
        ("/similar?item=Title 7", 404, "catalogue"),
        ("/why?item=nothing at all", 404, "no item"),
        ("/nowhere", 404, "openapi.json"),
    ],
)
def test_an_error_is_one_sentence(ask: TestClient, path: str, status: int, says: str) -> None:
    answer = ask.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert says in answer.json()["error"]


def test_bodies_are_refused(ask: TestClient) -> None:
    assert ask.request("GET", "/recommend", content=b"x" * 2000).status_code == 413
    assert ask.request("GET", "/recommend", content=iter([b"x"])).status_code == 413


def test_a_page_elsewhere_cannot_ask_by_another_name(ask: TestClient) -> None:
    assert ask.get("/recommend", headers={"host": "evil.example:8000"}).status_code == 403
    for name in ("localhost:8000", "127.0.0.1", "[::1]:80"):
        assert ask.get("/health", headers={"host": name}).status_code == 200


def test_metrics_count_routes_and_name_no_user(ask: TestClient) -> None:
    ask.get("/recommend", params={"user": "o'brien\"; DROP TABLE users"})
    ask.get("/some/odd/path")
    text = ask.get("/metrics").text
    assert 'colisten_requests_total{route="/recommend",status="200"}' in text
    assert 'route="other",status="404"' in text
    assert 'colisten_request_seconds_bucket{le="0.05",route="/recommend"}' in text
    assert "brien" not in text
    assert "odd" not in text


def test_the_page_needs_nothing_from_elsewhere(ask: TestClient) -> None:
    page = ask.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in ("/", "/page.css", "/page.js", "/graph.js"):
        text = ask.get(path).text
        assert text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text


def test_the_documentation_names_every_path(ask: TestClient) -> None:
    page = (Path(__file__).parents[3] / "docs/serve.md").read_text()
    documented = re.findall(r"`(/\w[^`?]*)", "".join(line for line in page.splitlines() if line.startswith("| `/")))
    assert set(documented) == {*ask.get("/openapi.json").json()["paths"], "/openapi.json"}


def test_with_a_key_only_its_holders_are_answered(world: World) -> None:
    guarded = world[2].model_copy(update={"serve": ServeSettings(api_key=SecretStr(KEY))})
    app = create_app(world[0], guarded)
    ask = TestClient(app, base_url="http://localhost")
    for path in ("/recommend", "/why?item=Title 3", "/similar?item=Title 3", "/titles?q=a", "/metrics"):
        assert ask.get(path).status_code == 401
        assert ask.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert ask.get(path, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    for path in ("/health", "/readyz", "/livez", "/", "/openapi.json"):
        assert ask.get(path).status_code == 200
    assert KEY not in json.dumps(app.openapi())
    assert KEY not in repr(guarded) + json.dumps(guarded.to_keep())


def test_without_neo4j_answers_are_given_and_say_so(world: World) -> None:
    ask = TestClient(create_app(world[0], world[2]), base_url="http://localhost")
    found = ask.get("/recommend", params={"user": "u5", "why": True}).json()
    assert "Neo4j is not running" in found["notes"][0]
    assert {item["why"]["kind"] for item in found["items"]} <= {"signal", "text", "popular", "model"}
    gone = ask.get("/neighbourhood", params={"item": "Title 3"})
    assert (gone.status_code, gone.headers["retry-after"]) == (503, "1")
    assert not ask.get("/health").json()["graph"]


def test_a_server_without_an_index_lives_but_is_not_ready(tmp_path: Path) -> None:
    ask = TestClient(create_app(Workdir.open(tmp_path, create=True), Settings()), base_url="http://localhost")
    assert [ask.get(path).status_code for path in ("/livez", "/readyz", "/health")] == [200, 503, 503]


def test_search_says_why_it_cannot(world: World) -> None:
    odd = world[2].model_copy(update={"text": world[2].text.model_copy(update={"encoder": "/no/such/encoder"})})
    with TestClient(create_app(world[0], odd), base_url="http://localhost") as ask:
        refused = ask.get("/search", params={"q": "ice"})
        assert "text.encoder" in refused.json()["error"]
        assert ask.get("/recommend").status_code == 200


@pytest.mark.parametrize("key", [None, "", " \t"])
def test_a_public_address_needs_a_key(key: str | None) -> None:
    from colisten.cli.serve import _listen

    with pytest.raises(SettingsError, match="COLISTEN_SERVE_API_KEY"):
        _listen(ServeSettings.model_validate({"host": "192.0.2.1", "port": 0, "api_key": key}))
    with _listen(ServeSettings(port=0)) as taken, pytest.raises(SettingsError, match=r"serve\.port"):
        _listen(ServeSettings(port=taken.getsockname()[1]))
