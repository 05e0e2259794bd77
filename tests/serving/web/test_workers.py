"""Several processes behind one port: they count together, one that dies is replaced, all end together."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable

import httpx
import psutil
import pytest

from colisten.listening.data import ListeningData
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.serving.web.conftest import serving

World = tuple[Workdir, ListeningData, Settings]
pytestmark = pytest.mark.slow


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def workers(supervisor: int) -> list[psutil.Process]:
    """The server's processes, without the one that Python keeps beside them."""
    return [
        child
        for child in psutil.Process(supervisor).children()
        if alive(child) and "spawn_main" in " ".join(child.cmdline())
    ]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def counted(address: str) -> int:
    found = re.findall(
        r'colisten_requests_total\{route="/livez",status="200"\} (\d+)', httpx.get(f"{address}/metrics").text
    )
    return sum(map(int, found))


def test_workers_count_together_and_one_that_dies_is_replaced(world: World) -> None:
    with serving(world[0].root, COLISTEN_SERVE_WORKERS="2") as (address, process):
        first = workers(process.pid)
        assert len(first) == 2
        for _ in range(20):
            httpx.get(f"{address}/livez").raise_for_status()
        assert counted(address) == 20
        first[0].kill()
        wait_until(lambda: len(workers(process.pid)) == 2 and first[0] not in workers(process.pid))
        httpx.get(f"{address}/readyz", timeout=60).raise_for_status()
        assert counted(address) == 20, "what the dead one had counted is not forgotten"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read().startswith("Stopped.\n")  # then Python's word on semaphores of the one killed
        assert not any(alive(each) for each in first)
        with pytest.raises(httpx.ConnectError):
            httpx.get(address)


def test_no_worker_outlives_a_supervisor_that_is_killed(world: World) -> None:
    with serving(world[0].root, COLISTEN_SERVE_WORKERS="2") as (_, process):
        left = workers(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(alive(each) for each in left))
