"""Callers who ask by halves, or never listen, keep nobody else from an answer."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from colisten.serving.web import bounds

WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALVES = {
    "nothing": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: loc",
    "half a body": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab",
    "a second request by half": WHOLE + b"GET /",
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with 8 MB where asked for `/long`, and reads no body, as all of our routes."""
    assert scope["type"] == "http"
    body = b"x" * (8 << 20 if scope["path"] == "/long" else 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await send({"type": "http.response.body", "body": body[len(body) // 2 :]})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A real server with room for 20 callers, who have half a second."""
    monkeypatch.setattr(bounds, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(bounds, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, **bounds.OPTIONS | {"lifespan": "off"}))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()
    assert not bounds.BoundedProtocol._waiting


def connected(port: int, sent: bytes) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", port), timeout=5)
    caller.sendall(sent)
    return caller


def closed(caller: socket.socket) -> bool:
    try:
        while caller.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def held(caller: socket.socket) -> bool:
    caller.setblocking(False)
    try:
        return bool(caller.recv(1))
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.parametrize("half", HALVES)
def test_who_asks_by_half_is_hung_up_on(port: int, half: str) -> None:
    with closing(connected(port, HALVES[half])) as caller:
        began = time.monotonic()
        assert closed(caller)
        assert 0.2 < time.monotonic() - began < 3


def test_drop_by_drop_gains_no_time(port: int) -> None:
    with closing(connected(port, b"GET / HTTP/1.1\r\nX: ")) as caller:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            while time.monotonic() - began < 5:
                caller.sendall(b"x")
                time.sleep(0.05)


def test_who_takes_no_answer_is_hung_up_on(port: int) -> None:
    with closing(connected(port, b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")) as caller:
        time.sleep(1.2)
        received = 0
        while found := caller.recv(1 << 20):
            received += len(found)
        assert received < 8 << 20


def test_others_are_answered_while_all_places_are_taken(port: int) -> None:
    with ExitStack() as callers:
        halves = [callers.enter_context(closing(connected(port, HALVES["half a header"]))) for _ in range(60)]
        time.sleep(0.1)
        assert sum(map(held, halves)) <= 20
        for _ in range(3):
            began = time.monotonic()
            assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
            assert time.monotonic() - began < 0.4


def test_who_goes_on_asking_is_not_hung_up_on(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            assert client.get("/").status_code == 200
            time.sleep(0.1)


def test_no_answer_waits_for_an_acknowledgement(port: int) -> None:
    """Headers and body are two writes: the second must not be held back until the first is acknowledged."""
    with closing(connected(port, WHOLE)) as caller:
        deadline = time.monotonic() + 5
        while not (ours := next(iter(bounds.BoundedProtocol._waiting), None)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert ours.transport.get_extra_info("peername") == caller.getsockname()
        assert ours.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_log_is_bounded() -> None:
    spared = bounds.RateFilter()
    record = logging.makeLogRecord({"msg": "provoked"})
    assert sum(map(spared.filter, [record] * 1000)) == 20
