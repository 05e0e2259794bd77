from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from colisten.errors import GraphError
from colisten.graph_store.server.conf import Ports, read_ports, write_conf
from colisten.graph_store.server.managed import ManagedServer
from colisten.progress import Progress
from colisten.settings import Neo4jSettings


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_ports_are_written_free_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "conf/neo4j.conf"
    assert read_ports(file) == Ports(0, 0)
    ports = write_conf(file, Neo4jSettings())
    assert read_ports(file) == ports
    assert ports.bolt != ports.http
    assert write_conf(file, Neo4jSettings()) == ports


def test_a_last_port_that_is_taken_meanwhile_is_left(tmp_path: Path, taken: int) -> None:
    file = tmp_path / "neo4j.conf"
    ports = write_conf(file, Neo4jSettings())
    file.write_text(file.read_text().replace(str(ports.bolt), str(taken)))
    assert write_conf(file, Neo4jSettings()).bolt != taken


@pytest.mark.parametrize("key", ["bolt_port", "http_port"])
def test_a_port_that_is_set_and_taken_is_an_error_before_anything_starts(tmp_path: Path, taken: int, key: str) -> None:
    server = ManagedServer(tmp_path / "neo4j", Neo4jSettings.model_validate({key: taken}), Progress(quiet=True))
    with pytest.raises(GraphError, match=rf"Port {taken} is taken: set neo4j\.{key} to another"):
        server.start()
    assert not server.status().running


def test_one_port_for_both_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"neo4j\.http_port"):
        write_conf(tmp_path / "neo4j.conf", Neo4jSettings(bolt_port=17687, http_port=17687))


def test_memory_is_as_set(tmp_path: Path) -> None:
    write_conf(tmp_path / "neo4j.conf", Neo4jSettings(memory_mb=300))
    assert "server.memory.pagecache.size=150m\n" in (tmp_path / "neo4j.conf").read_text()
