"""Servers that take requests and do not answer, suspended ones: every wait is bounded, and nobody else is held up."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from fastapi.testclient import TestClient

from colisten.errors import ColistenError
from colisten.graph_store.connection import find_endpoint
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.inspection.stats import read_stats
from colisten.graph_store.server.managed import ManagedServer
from colisten.graph_store.stream.bolt import Reader
from colisten.listening.data import ListeningData
from colisten.serving.index import server
from colisten.serving.index.opening import open_index
from colisten.serving.web.app import create_app
from colisten.settings import QdrantSettings, Settings
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET

World = tuple[Workdir, ListeningData, Settings]
SECONDS = 10.0
SLACK = 4.0
"""For what a busy machine adds."""


@pytest.fixture
def neo4j_process(graph_workdir: Workdir, neo4j_endpoint: Endpoint) -> Iterator[psutil.Process]:
    """The session's server, which goes on at the end."""
    status = ManagedServer(graph_workdir.neo4j, Settings().neo4j, QUIET).status()
    if status.uri != neo4j_endpoint.uri:
        pytest.skip("the session's Neo4j is not the managed one")
    found = psutil.Process(status.pid)
    yield found
    found.resume()


def seconds_of(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def failing(call: Callable[[], object], words: str) -> Callable[[], None]:
    def failed() -> None:
        with pytest.raises(ColistenError, match=words):
            call()

    return failed


def test_a_frozen_neo4j_costs_ten_seconds_and_others_nothing(
    world: World, with_graph: Settings, graph_workdir: Workdir, neo4j_endpoint: Endpoint, neo4j_process: psutil.Process
) -> None:
    reader = Reader(neo4j_endpoint)
    app = create_app(world[0], with_graph)
    with TestClient(app, base_url="http://localhost") as ask, connect(neo4j_endpoint) as driver:
        assert reader.read("RETURN 1") == [[1]]
        reasons = "/recommend?user=u5&why=true"
        assert ask.get(reasons).json()["notes"] == []
        neo4j_process.suspend()
        waits = (
            lambda: notes.extend(ask.get(reasons).json()["notes"]),
            failing(lambda: find_endpoint(Settings(), graph_workdir, QUIET), "does not answer"),
            failing(lambda: reader.read("RETURN 1"), "failed"),
            failing(lambda: read_stats(driver, "neo4j"), "stopped answering"),
        )
        notes: list[str] = []
        with ThreadPoolExecutor() as pool:
            waited = [pool.submit(seconds_of, wait) for wait in waits]
            time.sleep(1)
            for path in ("/health", "/recommend?user=u5", "/similar?item=Title 3") * 3:
                began = time.monotonic()
                ask.get(path).raise_for_status()
                assert time.monotonic() - began < 1, path
        assert max(each.result() for each in waited) < SECONDS + SLACK
        assert "Neo4j" in notes[0]
        assert seconds_of(lambda: ask.get(reasons).raise_for_status()) < 1, "it was asked just now"
        assert not ask.get("/health").json()["graph"]


def test_a_frozen_qdrant_is_waited_for_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SECONDS_TO_CONNECT", 1)  # of gRPC, then of REST: five seconds each
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system takes connections for it
        settings = world[2].model_copy(
            update={"qdrant": QdrantSettings(url=f"http://127.0.0.1:{silent.getsockname()[1]}")}
        )
        assert seconds_of(failing(lambda: open_index(world[0], settings), "does not answer")) < 2 + SLACK
        application = create_app(world[0], settings)
        with TestClient(application, base_url="http://localhost") as ask, ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(ask.get, path) for path in ["/recommend", "/health"] * 4]
            assert seconds_of(lambda: [answer.result() for answer in answers]) < 2 + SLACK
            assert {answer.result().status_code for answer in answers} == {503}
            assert seconds_of(lambda: ask.get("/health")) < 1, "it was asked just now"


COLLECTIONS = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"result": {"collections": []}, "status": "ok", "time": 0.0}')

    def log_message(self, *_):
        pass

with HTTPServer(("127.0.0.1", 0), Handler) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
"""
"""What a Qdrant without collections answers to a question for them."""


def test_a_qdrant_that_freezes_later_is_told_from_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SECONDS", 1)
    with subprocess.Popen([sys.executable, "-c", COLLECTIONS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        index = server.ServerIndex(server.connect(QdrantSettings(url=url)), "colisten")
        assert index.ready() == []
        process.send_signal(signal.SIGSTOP)
        assert seconds_of(failing(index.ready, "does not answer")) < 1 + SLACK
        process.kill()
    assert seconds_of(failing(index.ready, "cannot be used")) < SLACK
