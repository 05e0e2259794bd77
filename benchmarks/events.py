"""Events posted to `colisten serve`: how many a second, how soon the next answer knows them, and what kills lose.

    python benchmarks/events.py W [--seconds 10] [--pairs 500] [--kills 100] [--seed 0]

W is a working folder with a published index (`make demo`); a copy of it is served, by one process, over real
connections that are kept alive. A kill is SIGKILL to the whole server while eight connections post, at a moment drawn
uniformly from half a second; what was not acknowledged is sent again, under the same `event_id`, to the next server.
In the end the log has to hold every event once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from benchmarks.command import COLISTEN
from colisten.serving.profiles import Profiles

WRITERS, BATCHERS, BATCH = 64, 4, 1000
_SECONDS_TO_FIRST = 60
"""To wait for the first event that a new server acknowledges."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    port: int
    process: subprocess.Popen[str]

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def serving(workdir: Path) -> Iterator[Server]:
    """Without a text encoder, which takes seconds to load and is not asked for here."""
    words = [*COLISTEN, "serve", "-w", str(workdir), "--set", "serve.port=0"]
    environment = os.environ | {"COLISTEN_TEXT_ENCODER": "/none"}
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        found = re.search(r":(\d+)", process.stderr.readline())
        assert found
        server = Server(int(found[1]), process)
        try:
            yield server
        finally:
            server.kill()


class Connection:
    """One kept-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        assert length
        found = await self._reader.readexactly(int(length[1]))
        assert b" 200 " in answer[:20], found
        return json.loads(found)


class Events:
    """Makes events, each another one."""

    def __init__(self, workdir: Path, rng: random.Random) -> None:
        with Profiles.open(workdir / "profiles.sqlite") as profiles:
            self.users, self.items = profiles.user_ids(), profiles.item_ids()
            self.signal = profiles.facts.signals[0]
        self._rng, self._numbers = rng, count()

    def one(self) -> dict[str, Any]:
        number = next(self._numbers)
        user, item = self._rng.choice(self.users), self._rng.choice(self.items)
        return {
            "user_id": user, "item_id": item, "signal": self.signal, "timestamp": 1_500_000_000 + number,
            "event_id": f"e{number}",
        }  # fmt: skip


async def rate(port: int, writers: int, seconds: float, events: Events, size: int) -> float:
    """Events a second that `writers` connections have acknowledged, `size` of them a request."""
    end, done = time.perf_counter() + seconds, 0

    async def write() -> None:
        nonlocal done
        connection = await Connection.open(port)
        while time.perf_counter() < end:
            taken = await connection.ask("POST", "/events", [events.one() for _ in range(size)])
            assert taken["accepted"] == size, taken
            done += size

    began = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(writers)))
    return done / (time.perf_counter() - began)


async def latencies(port: int, events: Events, pairs: int, rng: random.Random) -> list[float]:
    """Seconds from sending an event on the first item of an answer to having the answer without that item."""
    connection, found = await Connection.open(port), []
    for _ in range(pairs):
        user = rng.choice(events.users)
        before = await connection.ask("GET", f"/recommend?k=10&user={quote(user)}")
        heard = before["items"][0]["item_id"]
        began = time.perf_counter()
        await connection.ask("POST", "/events", events.one() | {"user_id": user, "item_id": heard})
        after = await connection.ask("GET", f"/recommend?k=10&user={quote(user)}")
        found.append(time.perf_counter() - began)
        assert heard not in [item["item_id"] for item in after["items"]]
    return found


class Campaign:
    """Servers that are killed while eight connections post to them."""

    def __init__(self, workdir: Path, events: Events, rng: random.Random) -> None:
        self._workdir, self._events, self._rng = workdir, events, rng
        self._pending: list[dict[str, Any]] = []
        """Events that were sent and not acknowledged."""
        self.acknowledged: list[str] = []

    def kill(self) -> None:
        """Serve until the kill."""
        with serving(self._workdir) as server:
            asyncio.run(self._post_until_killed(server))

    def outcome(self) -> dict[str, int]:
        with closing(sqlite3.connect(self._workdir / "events.sqlite")) as log:
            rows = log.execute("SELECT event_id, user_id, item_id, timestamp FROM events").fetchall()
        kept = Counter(event_id for event_id, *_ in rows)
        doubled = len(rows) - len({tuple(event) for _, *event in rows}) + sum(kept.values()) - len(kept)
        lost = len(set(self.acknowledged) - kept.keys())
        return {"acknowledged": len(self.acknowledged), "lost": lost, "doubled": doubled}

    async def _post_until_killed(self, server: Server) -> None:
        first = asyncio.Event()
        writers = [self._write(server.port, first) for _ in range(8)]
        await asyncio.gather(self._kill(server, first), *writers)

    async def _kill(self, server: Server, first: asyncio.Event) -> None:
        await asyncio.wait_for(first.wait(), _SECONDS_TO_FIRST)
        await asyncio.sleep(self._rng.random() / 2)
        server.kill()

    async def _write(self, port: int, first: asyncio.Event) -> None:
        connection = await Connection.open(port)
        while True:
            event = self._pending.pop() if self._pending else self._events.one()
            try:
                await connection.ask("POST", "/events", event)
            except (OSError, EOFError):
                self._pending.append(event)
                return
            self.acknowledged.append(event["event_id"])
            first.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)  # noqa: S311
    with tempfile.TemporaryDirectory(dir=given.workdir.parent) as folder:
        workdir = Path(shutil.copytree(given.workdir, Path(folder) / "W", ignore=shutil.ignore_patterns("neo4j")))
        (workdir / "events.sqlite").unlink(missing_ok=True)
        events = Events(workdir, rng)
        print(f"{len(events.items):,} items, {len(events.users):,} users, {os.cpu_count()} cores", flush=True)
        with serving(workdir) as server:
            found = asyncio.run(latencies(server.port, events, given.pairs, rng))
            p50, p99 = np.quantile(found, [0.5, 0.99]) * 1000
            print(
                f"event to answer that knows it: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(found):,} times", flush=True
            )
            for name, writers, size in (("one a request", WRITERS, 1), (f"{BATCH:,} a request", BATCHERS, BATCH)):
                made = asyncio.run(rate(server.port, writers, given.seconds, events, size))
                print(f"{made:,.0f} events/s, {name}, {writers} connections", flush=True)
        campaign = Campaign(workdir, events, rng)
        for _ in range(given.kills):
            campaign.kill()
        print(f"{given.kills} kills:", ", ".join(f"{count:,} {name}" for name, count in campaign.outcome().items()))


if __name__ == "__main__":
    main()
