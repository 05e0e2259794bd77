"""One real server in a folder of its own, through all that may happen to it; starts are slow, so few and full."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from colisten.errors import GraphError
from colisten.graph_store.endpoint import BrokenStoreError, Endpoint, connect
from colisten.graph_store.server.managed import ManagedServer
from colisten.progress import Progress
from colisten.settings import Neo4jSettings

pytestmark = pytest.mark.neo4j

MEMORY = 512


def server_of(folder: Path) -> ManagedServer:
    return ManagedServer(folder, Neo4jSettings(memory_mb=MEMORY), Progress(quiet=True))


def start(folder: Path) -> tuple[Endpoint, int | None]:
    server = server_of(folder)
    return server.start(), server.status().pid


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    """Started by a process that is killed while it waits, then found by two others that start it at once."""
    folder = tmp_path_factory.mktemp("managed") / "neo4j"
    killed = multiprocessing.get_context("spawn").Process(target=start, args=(folder,))
    killed.start()
    while not (folder / "run/pid").exists():
        assert killed.is_alive()
        time.sleep(0.01)
    killed.kill()
    managed = server_of(folder)
    yield managed
    managed.stop()


def count(endpoint: Endpoint) -> int:
    with connect(endpoint) as driver:
        return int(driver.execute_query("MATCH (n:Kept) RETURN count(n) AS n").records[0]["n"])


def test_starters_at_once_find_the_one_server_of_a_killed_one(server: ManagedServer) -> None:
    pid = int((server.folder / "run/pid").read_text())
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(start, [server.folder] * 2)
    assert first == second == (server.start(), pid)
    status = server.status()
    assert status.running
    assert status.uri == first[0].uri
    assert (status.memory or 0) > 100e6
    assert status.store > 1e6


def test_it_listens_on_loopback_only(server: ManagedServer) -> None:
    server.start()
    process = psutil.Process(server.status().pid)
    listening = {c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert len(listening) == 2  # Bolt and HTTP
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_the_password_is_the_owners_alone(server: ManagedServer) -> None:
    password = server.start().password.get_secret_value()
    file = server.folder / "password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    assert len(password) == 40
    assert password not in repr(server.start())
    told = [path for path in server.folder.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert sorted(told) == [server.folder / "conf/password", file], "and a copy, as nothing else could tell it"
    assert password not in " ".join(psutil.Process(server.status().pid).cmdline())


def test_it_is_in_a_session_of_its_own(server: ManagedServer) -> None:
    server.start()
    pid = server.status().pid
    assert pid
    assert os.getsid(pid) != os.getsid(0)


def test_a_killed_server_comes_back_with_its_data(server: ManagedServer) -> None:
    endpoint = server.start()
    with connect(endpoint) as driver:
        driver.execute_query("UNWIND range(1, 1000) AS i CREATE (:Kept {i: i})")
    os.kill(server.status().pid or 0, signal.SIGKILL)
    while server.status().running:
        time.sleep(0.01)
    assert server.start() == endpoint  # the same ports: open drivers find it again
    assert count(endpoint) == 1000


def test_offline_work_between_a_stop_and_a_start(server: ManagedServer) -> None:
    endpoint = server.start()
    with server.stopped():
        assert not server.status().running
        assert not server.stop()
        assert "neo4j" in server.admin("database", "info", "neo4j")
        with pytest.raises(GraphError, match="neo4j-admin database dump failed: "):
            server.admin("database", "dump", "nosuch")
    assert server.status().running
    assert server.start() == endpoint
    assert count(endpoint) == 1000


def test_a_suspended_server_is_stopped_in_good_order(server: ManagedServer) -> None:
    server.start()
    psutil.Process(server.status().pid).suspend()
    assert server.stop()
    assert "Stopped." in (server.folder / "logs/neo4j.log").read_text()


def test_a_stale_pid_is_never_killed(server: ManagedServer) -> None:
    server.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        (server.folder / "run/pid").write_text(str(innocent.pid))
        assert not server.status().running
        assert not server.stop()
        assert innocent.poll() is None
        innocent.communicate(b"\n")
    for rubbish in ("", "none"):
        (server.folder / "run/pid").write_text(rubbish)
        assert not server.status().running


def test_damaged_files_beside_a_running_server_are_made_anew(server: ManagedServer) -> None:
    before, pid = server.start(), server.status().pid
    for name in ("password", "conf/neo4j.conf"):
        os.truncate(server.folder / name, 3)
    endpoint = server.start()
    assert server.status().pid != pid, "nobody knew where it listened"
    assert endpoint.password == before.password
    assert len((server.folder / "password").read_text()) == 40
    count(endpoint)


def test_a_server_whose_database_stayed_closed_is_started_anew(server: ManagedServer) -> None:
    server.stop()
    store = server.folder / "data/databases/neo4j/neostore"
    whole = store.read_bytes()
    store.write_bytes(b"")
    with pytest.raises(BrokenStoreError, match="did not come up"):
        server.start()
    assert server.status().running
    store.write_bytes(whole)
    assert count(server.start()) == 1000


def test_a_lost_password_is_told(tmp_path: Path) -> None:
    (tmp_path / "data/databases/system").mkdir(parents=True)
    with pytest.raises(GraphError, match=r"password is missing"):
        server_of(tmp_path).start()


def test_a_server_that_cannot_start_says_why(server: ManagedServer) -> None:
    server.stop()
    broken = ManagedServer(server.folder, Neo4jSettings(memory_mb=10**9), Progress(quiet=True))
    with pytest.raises(GraphError, match=r"did not start in .*heap.*logs"):
        broken.start()


def test_data_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("4.4.40")
    with pytest.raises(GraphError, match=r"written by Neo4j 4\.4\.40"):
        server_of(tmp_path).start()


def test_stop_and_status_of_a_folder_that_never_was(tmp_path: Path) -> None:
    server = server_of(tmp_path / "neo4j")
    assert not server.stop()
    assert not server.status().running
    assert not server.folder.exists()
