"""Fixtures of every room: one Neo4j for the session, wiped for each test; real data sets where they are given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from neo4j import Driver
from pydantic import SecretStr

from colisten.graph_store.connection import find_endpoint
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.server.managed import ManagedServer
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Neo4jSettings, Settings
from colisten.workdir import Workdir
from tests.browser import Browser, find_browser

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Tests start servers that live for seconds: Java's second compiler would cost more than it gives.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")

# The same examples in every run, however busy the machine: a red test is the fault of what was changed. New ones are
# drawn by `pytest --hypothesis-profile=default`.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")

# To the code under test every variable COLISTEN_… is a setting: those of whoever runs the tests go by other names from
# here on, of which tests look at the ones that name servers and real data.
_GIVEN = "GIVEN_TO_TESTS_"
for _name in [name for name in os.environ if name.startswith("COLISTEN_") and name != "COLISTEN_CACHE"]:
    os.environ[_GIVEN + _name] = os.environ.pop(_name)


def given(name: str) -> str | None:
    """The value of a variable COLISTEN_… as the tests were started with it."""
    return os.environ.get(_GIVEN + name)


_SERVERS = {"neo4j_endpoint", "own_server"}
"""Fixtures that start Neo4j."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, so that no test has to say so itself."""
    for item in items:
        if _SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("neo4j")


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Real data sets and an independent judge, by their path below the folder COLISTEN_SHARED_DATA; else a skip."""

    def find(name: str) -> Path:
        root = given("COLISTEN_SHARED_DATA")
        if not root:
            pytest.skip("COLISTEN_SHARED_DATA names no folder with real data sets and their judge")
        path = Path(root) / name
        if not path.exists():
            pytest.skip(f"the folder of COLISTEN_SHARED_DATA has no {name}")
        return path

    return find


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A real browser without a window."""
    return find_browser(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workdir, ListeningData, Settings]:
    """A served working folder that no test changes."""
    from tests.serving.worlds import served  # torch: only where it is needed

    return served(tmp_path_factory.mktemp("serving") / "W")


@pytest.fixture(scope="session")
def graph_workdir(tmp_path_factory: pytest.TempPathFactory) -> Workdir:
    """A working folder for the whole session; its managed Neo4j is that of `neo4j_endpoint`."""
    return Workdir.open(tmp_path_factory.mktemp("graph") / "W", create=True)


@pytest.fixture(scope="session")
def neo4j_endpoint(graph_workdir: Workdir) -> Iterator[Endpoint]:
    """A real server: that of COLISTEN_NEO4J_URI (with _USER, _PASSWORD), else a managed one."""
    named = {key: given(f"COLISTEN_NEO4J_{key.upper()}") for key in ("uri", "user", "password")}
    options = Neo4jSettings.model_validate({"memory_mb": 512} | {key: value for key, value in named.items() if value})
    progress = Progress(quiet=True)
    yield find_endpoint(Settings(neo4j=options), graph_workdir, progress)
    ManagedServer(graph_workdir.neo4j, options, progress).stop()


@pytest.fixture(scope="session")
def neo4j_settings(neo4j_endpoint: Endpoint) -> Settings:
    """Settings that name the session's server, whatever the working folder."""
    password = SecretStr(neo4j_endpoint.password.get_secret_value())
    return Settings(neo4j=Neo4jSettings(uri=neo4j_endpoint.uri, user=neo4j_endpoint.user, password=password))


@pytest.fixture
def neo4j_driver(neo4j_endpoint: Endpoint) -> Iterator[Driver]:
    """A driver to the session's server, its database empty: no nodes, no constraints, no indexes of anybody's."""
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        yield driver


def wipe(driver: Driver) -> None:
    """Empty the database as far as a user can see."""
    with driver.session() as session:
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS").consume()
        for kind, query in (
            ("CONSTRAINT", "SHOW CONSTRAINTS YIELD name"),
            ("INDEX", "SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'"),
        ):
            for name in [record["name"] for record in session.run(query)]:
                session.run(f"DROP {kind} `{name}`").consume()


@pytest.fixture
def java(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java that Spark can run on, and Spark set up for little data."""
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    home = _java_for_spark()
    if home is None:
        pytest.skip("no Java 17 or later with jdk.incubator.vector on this machine")
    monkeypatch.setenv("JAVA_HOME", home)
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # tasks of tests are found there
    few = {"spark.sql.shuffle.partitions": "4", "spark.ui.enabled": "false", "spark.executor.memory": "1g"}
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", " ".join(f"--conf {key}={few[key]}" for key in few) + " pyspark-shell")


@pytest.fixture
def two_executors(java: None) -> Iterator[SparkSession]:
    """A Spark session whose executors are two processes of their own."""
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local-cluster[2,1,1024]").getOrCreate()
    yield session
    executors = session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1
    session.stop()
    assert executors == 2


def _java_for_spark() -> str | None:
    """The home of a Java that Spark can run on: 17 or later, with the vector module."""
    for home in (os.environ.get("JAVA_HOME"), *sorted(map(str, Path("/usr/lib/jvm").glob("*")))):
        java = Path(home or "/nowhere") / "bin/java"
        if java.exists():
            listed = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False).stdout
            if any(f"jdk.incubator.vector@{version}" in listed for version in range(17, 30)):
                return str(java.parents[1])
    return None
