"""The server under load: `python benchmarks/serve.py WORKDIR [SECONDS [K]]`.

Questions for `/recommend` of users drawn at random, over kept-alive connections, by a generator of our own in this
process, which takes a share of the machine too. Prints

- one caller, who asks again once answered: milliseconds, median and 99th percentile;
- for one and for two workers: answers a second to 32 callers a worker at once (closed loop), and the milliseconds of
  questions that come at random times at 60 % of that rate (open loop, counted from when each should have been asked, so
  that what waits behind a slow answer counts);
- memory of a worker, in MB, and of that what it alone holds;
- the same question by `Recommender.recommend` in this process, and the bare Qdrant search in it, in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil

from benchmarks.command import COLISTEN
from colisten.cli.options import opened
from colisten.serving.index.collection import Conditions
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender

CALLERS, CONNECTIONS, SHARE, USERS = 32, 64, 0.6, 2000


class Caller:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connected(self) -> Caller:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def ask(self, path: str) -> None:
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        body = await self._reader.readexactly(int(re.findall(rb"content-length: (\d+)", head)[0]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(body.decode())

    def close(self) -> None:
        self._writer.close()


@contextmanager
def serving(folder: Path, workers: int) -> Iterator[tuple[int, list[psutil.Process]]]:
    """Its port, and the processes that answer."""
    words = [*COLISTEN, "serve", "-w", str(folder), "--workers", str(workers)]
    with subprocess.Popen([*words, "--set", "serve.port=0"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())[0])
        try:
            asyncio.run(_ready(port, workers))
            server = psutil.Process(process.pid)
            children = [child for child in server.children() if "spawn_main" in " ".join(child.cmdline())]
            yield port, children or [server]
        finally:
            process.send_signal(signal.SIGTERM)


async def _ready(port: int, workers: int) -> None:
    """Wait until each worker is likely to accept."""
    for _ in range(8 * workers):
        caller = await Caller(port).connected()
        await caller.ask("/readyz")
        caller.close()
    await asyncio.sleep(5 * (workers - 1))


async def closed_loop(port: int, paths: list[str], callers: int, seconds: float) -> list[float]:
    """Seconds of each answer."""
    taken: list[float] = []
    until = time.perf_counter() + seconds

    async def asking(caller: Caller, rng: random.Random) -> None:
        while (began := time.perf_counter()) < until:
            await caller.ask(rng.choice(paths))
            taken.append(time.perf_counter() - began)

    all_callers = [await Caller(port).connected() for _ in range(callers)]
    await asyncio.gather(*(asking(caller, random.Random(n)) for n, caller in enumerate(all_callers)))  # noqa: S311
    for caller in all_callers:
        caller.close()
    return taken


async def open_loop(port: int, paths: list[str], rate: float, seconds: float) -> list[float]:
    """Seconds of each answer from when it was due, at `rate` a second."""
    rng = np.random.default_rng(0)
    due = np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))
    waiting: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
    taken: list[float] = []

    async def asking(caller: Caller) -> None:
        while True:
            at, path = await waiting.get()
            await caller.ask(path)
            taken.append(time.perf_counter() - at)
            waiting.task_done()

    all_callers = [await Caller(port).connected() for _ in range(CONNECTIONS)]
    tasks = [asyncio.create_task(asking(caller)) for caller in all_callers]
    began = time.perf_counter()
    for at in due.tolist():
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        waiting.put_nowait((began + at, paths[int(rng.integers(len(paths)))]))
    await waiting.join()
    for task, caller in zip(tasks, all_callers, strict=True):
        task.cancel()
        caller.close()
    return taken


def milliseconds(taken: list[float]) -> dict[str, float]:
    return {f"p{percent}": round(1000 * float(np.percentile(taken, percent)), 2) for percent in (50, 99)}


def in_process(folder: Path, users: list[str], k: int) -> dict[str, dict[str, float]]:
    workdir, settings = opened(folder)
    with Recommender.open(workdir, settings) as recommender:
        whole, bare = [], []
        conditions = Conditions(item_types=(recommender.target,))
        for user in users[:300]:
            began = time.perf_counter()
            recommender.recommend([user], Query(k))
            whole.append(time.perf_counter() - began)
            vector = recommender.encoder.encode(recommender.profiles.read([user])[0]).dense
            began = time.perf_counter()
            recommender.collection.search("towers", vector, k, conditions, None)
            bare.append(time.perf_counter() - began)
    return {"recommender": milliseconds(whole[20:]), "bare search": milliseconds(bare[20:])}


def main(folder: str, seconds: str = "10", k: str = "10") -> None:
    os.environ |= {"OPENBLAS_NUM_THREADS": "1"} | os.environ
    with sqlite3.connect(f"file:{folder}/profiles.sqlite?mode=ro", uri=True) as profiles:
        users = [user for (user,) in profiles.execute("SELECT user_id FROM users LIMIT ?", [USERS])]
    paths = [f"/recommend?user={quote(user)}&k={k}" for user in users]
    rates = []
    for workers in (1, 2):
        with serving(Path(folder), workers) as (port, processes):
            asyncio.run(closed_loop(port, paths, CALLERS * workers, 2))
            if workers == 1:
                alone = asyncio.run(closed_loop(port, paths, 1, float(seconds)))
                print(json.dumps({"one caller, ms": milliseconds(alone)}))
            rate = len(asyncio.run(closed_loop(port, paths, CALLERS * workers, float(seconds)))) / float(seconds)
            rates.append(rate)
            loaded = asyncio.run(open_loop(port, paths, SHARE * rate, float(seconds)))
            memory = [process.memory_full_info() for process in processes]
            figures = {
                "workers": workers,
                "answers a second": round(rate),
                f"open loop at {SHARE:.0%}, ms": milliseconds(loaded),
                "MB": [round(each.rss / 2**20) for each in memory],
                "MB alone": [round(each.uss / 2**20) for each in memory],
            }
            print(json.dumps(figures), flush=True)
    print(json.dumps({"two workers to one": round(rates[1] / rates[0], 2)}))
    print(json.dumps({"in process, ms": in_process(Path(folder), users, int(k))}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
