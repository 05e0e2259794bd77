"""Neo4j goes away between two requests: the next ones fail fast, and say so."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from colisten.errors import GraphError
from colisten.listening.data import ListeningData
from colisten.serving.why.path_finder import PathFinder
from colisten.settings import Settings
from colisten.workdir import Workdir

World = tuple[Workdir, ListeningData, Settings]
SECONDS = 8.0


class Line:
    """A line to a server, from a port of its own, that can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._ends: list[socket.socket] = []
        self._entrance = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._entrance.getsockname()[1]
        threading.Thread(target=self._join, daemon=True).start()

    def cut(self) -> None:
        for end in (self._entrance, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _join(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._entrance.accept()
                called = socket.create_connection(self._to)
                self._ends += [caller, called]
                for one, other in ((caller, called), (called, caller)):
                    threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while heard := one.recv(65536):
            other.sendall(heard)


def test_a_neo4j_that_went_is_not_waited_for(world: World, with_graph: Settings) -> None:
    assert with_graph.neo4j.uri is not None
    address = urlsplit(with_graph.neo4j.uri)
    assert address.hostname is not None
    assert address.port is not None
    line = Line(address.hostname, address.port)
    neo4j = with_graph.neo4j.model_copy(update={"uri": f"bolt://127.0.0.1:{line.port}"})
    settings = with_graph.model_copy(update={"neo4j": neo4j})
    item = world[1].items["item_id"][0]
    graphs = [PathFinder.open(world[0], settings) for _ in range(2)]
    assert [graph.unavailable for graph in graphs] == [None, None]
    assert graphs[0].neighbourhood(item, 3) is not None
    line.cut()
    began = time.monotonic()
    assert "connection to Neo4j broke" in (graphs[0].evidence([1], [2]).unavailable or "")
    with pytest.raises(GraphError, match="connection to Neo4j broke"):
        graphs[1].neighbourhood(item, 3)
    assert time.monotonic() - began < len(graphs) * SECONDS
    for graph in graphs:
        assert graph.unavailable is not None
        began = time.monotonic()
        assert graph.evidence([1], [2]).unavailable == graph.unavailable
        with pytest.raises(GraphError, match="connection to Neo4j broke"):
            graph.neighbourhood(item, 3)
        assert time.monotonic() - began < 0.1, "what failed once is not asked again"
        graph.close()
