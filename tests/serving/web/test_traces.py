"""Traces of requests by OpenTelemetry's own SDK: what a span has, and that nobody's questions are in it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from colisten.listening.data import ListeningData
from colisten.serving.web.app import create_app
from colisten.serving.web.request_traces import RequestTraces
from colisten.settings import Settings
from colisten.workdir import Workdir

World = tuple[Workdir, ListeningData, Settings]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def test_a_span_has_route_method_status_and_id_and_nothing_else(world: World, exporter: InMemorySpanExporter) -> None:
    secrets = ["u4-secret", "secret-item", "secret%20words", "Title"]
    with TestClient(create_app(world[0], world[2], RequestTraces(exporter)), base_url="http://localhost") as ask:
        asked = {"x-request-id": "r-1", "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
        ask.get("/recommend", params={"user": "u4-secret", "likes": "Title 3"}, headers=asked)
        ask.delete("/items/secret-item/availability", headers={"x-request-id": "r-2"})
        ask.get("/similar", params={"item": "secret words"}, headers={"x-request-id": "r-3"})
        ask.get("/secret-item", headers={"x-request-id": "r-4"})
    spans = {
        str(span.attributes["colisten.request_id"]): span for span in exporter.get_finished_spans() if span.attributes
    }
    assert {key: (span.name, (span.attributes or {})["http.response.status_code"]) for key, span in spans.items()} == {
        "r-1": ("GET /recommend", 200), "r-2": ("DELETE /items/{item_id:path}/availability", 200),
        "r-3": ("GET /similar", 404), "r-4": ("GET other", 404),
    }  # fmt: skip
    for span in spans.values():
        assert set(span.attributes or {}) == {
            "http.request.method", "http.route", "http.response.status_code", "colisten.request_id"
        }  # fmt: skip
        assert not [word for word in secrets if word in span.to_json()]
        assert span.events == ()
    context, parent = spans["r-1"].context, spans["r-1"].parent
    assert context is not None
    assert parent is not None
    assert (f"{context.trace_id:032x}", f"{parent.span_id:016x}") == ("ab" * 16, "cd" * 8)
    assert spans["r-2"].parent is None


def test_what_fails_is_an_error_without_its_words(exporter: InMemorySpanExporter, world: World) -> None:
    app = create_app(world[0], world[2], RequestTraces(exporter))

    @app.get("/breaks/{what}")
    async def breaks(what: str) -> None:
        raise RuntimeError(what)

    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as ask:
        assert ask.get("/breaks/secretly").status_code == 500
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.status.status_code) == ("GET /breaks/{what}", StatusCode.ERROR)
    assert "secretly" not in span.to_json()


def test_a_collector_that_is_not_there_costs_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    settings = world[2].model_copy(update={"serve": world[2].serve.model_copy(update={"traces": "otlp"})})
    with TestClient(create_app(world[0], settings), base_url="http://localhost") as ask:
        assert ask.get("/livez").status_code == 200


def test_spans_reach_a_collector(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        settings = world[2].model_copy(update={"serve": world[2].serve.model_copy(update={"traces": "otlp"})})
        with TestClient(create_app(world[0], settings), base_url="http://localhost") as ask:
            ask.get("/recommend", params={"user": "u4-secret"})
        collector.shutdown()
    ((path, body),) = received
    assert path == "/v1/traces"
    assert b"GET /recommend" in body
    assert b"colisten.request_id" in body
    assert b"u4-secret" not in body


def test_without_its_packages_it_says_which_extra_has_them() -> None:
    hidden = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from colisten.serving.web.request_traces import require_traces; require_traces()"
    )
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)
    assert "SettingsError: This needs opentelemetry.sdk and opentelemetry.exporter.otlp.proto.http" in done.stderr
    assert "colisten[otel]" in done.stderr
