from __future__ import annotations

import pickle
import socket
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from neo4j import Driver
from pydantic import SecretStr

from colisten.errors import GraphError
from colisten.graph_store.connection import find_endpoint, open_driver
from colisten.graph_store.endpoint import Endpoint, UnreachableError, connect
from colisten.progress import Progress
from colisten.settings import Neo4jSettings, Settings
from colisten.workdir import Workdir

SECRET = "hunter2-hunter2"


def test_a_named_server_is_used_and_no_managed_one_made(neo4j_settings: Settings, tmp_path: Path) -> None:
    workdir = Workdir.open(tmp_path / "W", create=True)
    with open_driver(neo4j_settings, workdir, Progress(quiet=True)) as driver:
        assert driver.execute_query("RETURN 1 AS one").records[0]["one"] == 1
    assert not workdir.neo4j.exists()


def test_an_endpoint_travels_to_another_process(neo4j_endpoint: Endpoint) -> None:
    copy = pickle.loads(pickle.dumps(neo4j_endpoint))  # noqa: S301 - our own bytes
    assert copy == neo4j_endpoint
    connect(copy).close()


def test_a_wrong_password_is_told_and_not_shown(neo4j_endpoint: Endpoint) -> None:
    with pytest.raises(GraphError, match="does not let in the user 'neo4j'") as caught:
        connect(replace(neo4j_endpoint, password=SecretStr(SECRET)))
    assert SECRET not in str(caught.value)


def test_a_database_that_is_not_there(neo4j_endpoint: Endpoint) -> None:
    with pytest.raises(GraphError, match="has no database 'nosuch'"):
        connect(neo4j_endpoint, "nosuch")


def test_nobody_answers() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"No Neo4j answers at bolt://127.0.0.1:{port}"):
        connect(Endpoint(f"bolt://127.0.0.1:{port}", "neo4j", SecretStr(SECRET)))


@pytest.mark.parametrize("uri", ["", "localhost:7687", f"ftp://neo4j:{SECRET}@host:7687", f"bolt://neo4j:{SECRET}@h:x"])
def test_what_is_no_address(uri: str) -> None:
    with pytest.raises(GraphError, match="is not the address of a Neo4j server") as caught:
        connect(Endpoint(uri, "neo4j", SecretStr(SECRET)))
    assert SECRET not in str(caught.value)


def test_a_server_without_its_password(tmp_path: Path) -> None:
    settings = Settings(neo4j=Neo4jSettings(uri="bolt://127.0.0.1:1"))
    with pytest.raises(GraphError, match="COLISTEN_NEO4J_PASSWORD"):
        find_endpoint(settings, Workdir.open(tmp_path / "W", create=True), Progress(quiet=True))


def test_a_query_on_what_does_not_exist_yet_is_silent(neo4j_driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        neo4j_driver.execute_query("MATCH (n:Nowhere)-[:NEVER]->(m {nothing: 1}) RETURN n")
    assert not caplog.records


def test_the_database_comes_empty(neo4j_driver: Driver) -> None:
    assert neo4j_driver.execute_query("MATCH (n) RETURN count(n) AS n").records[0]["n"] == 0
    assert neo4j_driver.execute_query("SHOW CONSTRAINTS YIELD name RETURN name").records == []
    neo4j_driver.execute_query("CREATE CONSTRAINT left_over FOR (n:Left) REQUIRE n.i IS UNIQUE")
    neo4j_driver.execute_query("CREATE INDEX left_too FOR (n:Left) ON (n.j)")
    neo4j_driver.execute_query("UNWIND range(1, 6000) AS i CREATE (:Left {i: i})-[:TO]->(:Left)")


test_the_database_comes_empty_again = test_the_database_comes_empty
