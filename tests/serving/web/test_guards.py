"""Who may ask and who may write, by method, path and headers, before a body is read."""

from __future__ import annotations

import logging

import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient

from colisten.serving.web.guards import GuardMiddleware, errors_as_json
from colisten.serving.web.metrics import Metrics
from colisten.serving.web.request_ids import RequestIdFilter
from colisten.settings import ServeSettings

READ, WRITE = "may-read", "may-write"
JSON = {"content-type": "application/json"}


def caller(**options: str) -> TestClient:
    """Of a server with one route to ask, one without a key, three to write to, and one that breaks."""
    app = FastAPI()
    app.add_middleware(
        GuardMiddleware, metrics=Metrics(), options=ServeSettings.model_validate(options), open_paths={"/open"}
    )
    errors_as_json(app)
    app.get("/open")(lambda: "open")
    app.get("/thing")(lambda: "asked")

    def written(value: object = Body(None)) -> str:
        return "written"

    for method in (app.post, app.put, app.delete):
        method("/thing")(written)

    @app.get("/broken")
    def broken() -> None:
        logging.getLogger("colisten.tests").warning("about to break")
        raise RuntimeError

    return TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)


def bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("keys", "asked", "written"),  # the status by what is sent: nothing, a wrong key, the read key, the write key
    [
        ({}, (200, 200, 200, 200), (200, 200, 200, 200)),
        ({"api_key": READ}, (401, 401, 200, 401), (403, 403, 403, 403)),
        ({"write_key": WRITE}, (200, 200, 200, 200), (401, 401, 401, 200)),
        ({"api_key": READ, "write_key": WRITE}, (401, 401, 200, 200), (401, 401, 403, 200)),
        ({"api_key": READ, "write_key": " "}, (401, 401, 200, 401), (403, 403, 403, 403)),
    ],
    ids=["no key", "read key", "write key", "both", "a blank one is none"],
)
def test_the_read_key_asks_and_the_write_key_does_both(
    method: str, keys: dict[str, str], asked: tuple[int, ...], written: tuple[int, ...]
) -> None:
    ask = caller(**keys)
    sent = [bearer(key) for key in (None, "wrong", READ, WRITE)]
    assert tuple(ask.get("/thing", headers=headers).status_code for headers in sent) == asked
    found = [ask.request(method, "/thing", json=1, headers=headers) for headers in sent]
    assert tuple(answer.status_code for answer in found) == written
    assert ask.get("/open").status_code == 200
    assert all(set(answer.json()) == {"error"} for answer in found if answer.status_code != 200)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"content-type": "text/plain"}, 403),
        ("POST", {"content-type": "application/x-www-form-urlencoded"}, 403),
        ("POST", {}, 403),
        ("POST", JSON, 200),
        ("POST", JSON | {"origin": "http://localhost:8000"}, 200),
        ("POST", JSON | {"origin": "http://evil.example"}, 403),
        ("POST", JSON | {"origin": "http://localhost:9999"}, 403),
        ("PUT", JSON | {"origin": "null"}, 403),
        ("DELETE", {"origin": "http://evil.example"}, 403),
        ("DELETE", {}, 200),
        ("POST", JSON | {"host": "evil.example:8000"}, 403),
    ],
)
def test_a_page_elsewhere_cannot_have_a_browser_write(method: str, headers: dict[str, str], status: int) -> None:
    content = b"" if method == "DELETE" else b"1"
    assert caller().request(method, "/thing", content=content, headers=headers).status_code == status


def test_a_path_that_takes_no_writes_says_so() -> None:
    for ask in (caller(), caller(api_key=READ)):
        assert ask.post("/open").status_code == 405
        assert ask.post("/nowhere").status_code == 404


def test_a_body_has_a_bound_and_is_not_read_without_a_key() -> None:
    large = b'"' + b"x" * (4 << 20) + b'"'
    assert caller().post("/thing", content=large[:1000] + b'"', headers=JSON).status_code == 200
    refused = caller().post("/thing", content=large, headers=JSON)
    assert (refused.status_code, "in parts" in refused.json()["error"]) == (413, True)
    assert caller(write_key=WRITE).post("/thing", content=large, headers=JSON).status_code == 401
    assert caller().post("/thing", content=iter([b"1"]), headers=JSON).status_code == 413


def test_every_answer_and_line_has_the_id_of_its_request(caplog: pytest.LogCaptureFixture) -> None:
    ask = caller(api_key=READ)
    assert ask.get("/open", headers={"x-request-id": "trace-7"}).headers["x-request-id"] == "trace-7"
    made = [ask.get(path).headers["x-request-id"] for path in ("/open", "/thing", "/nowhere")]
    assert len({*made}) == 3
    for odd in (b"two\nlines".hex() + " ", "a b", "x" * 129, ""):
        assert ask.get("/open", headers={"x-request-id": odd}).headers["x-request-id"] != odd
    spared = RequestIdFilter()
    caplog.handler.addFilter(spared)
    broken = ask.get("/broken", headers=bearer(READ) | {"x-request-id": "trace-8"})
    caplog.handler.removeFilter(spared)
    assert broken.status_code == 500
    assert broken.headers["x-request-id"] == "trace-8"
    assert "[trace-8]" in broken.json()["error"]
    assert "[trace-8] about to break" in caplog.messages
