"""A server under load while the folder behind it changes: does any answer fail, does memory or do open files grow?

    python benchmarks/soak.py [--minutes 20] [--clients 4]

Clients ask for everything that there is to ask. Meanwhile, one after the other and over again: a publish, a rollback, a
person is forgotten, a day's new data is run. An answer fails if its status is not 200, or if it has no items.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import quantiles

import httpx

from benchmarks.command import COLISTEN
from benchmarks.process_memory import Held, growth, held
from benchmarks.small_world import SETTINGS, colisten, get_ready, make_days, print_table, remove, user_ids

_SECONDS_BETWEEN_LOOKS = 2.0
Ask = tuple[str, dict[str, str | int]]


@dataclass
class Load:
    """What clients have asked and were answered."""

    users: list[str]
    items: list[str]
    asked: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def questions(self, drawn: random.Random) -> Iterator[Ask]:
        """Without end."""
        routes: list[Callable[[], Ask]] = [
            lambda: ("/recommend", {"user": drawn.choice(self.users), "k": drawn.randrange(1, 30)}),
            lambda: ("/recommend", {"user": drawn.choice(self.users), "k": 5, "why": "true"}),
            lambda: ("/recommend", {"likes": drawn.choice(self.items), "type": "podcast", "country": "US", "age": 30}),
            lambda: ("/why", {"user": drawn.choice(self.users), "item": drawn.choice(self.items)}),
            lambda: ("/similar", {"item": drawn.choice(self.items), "across": "true"}),
            lambda: ("/search", {"q": drawn.choice(["a murder in the north", "how money works", "love"])}),
            lambda: ("/titles", {"q": drawn.choice("aeiou")}),
            lambda: ("/neighbourhood", {"item": drawn.choice(self.items)}),
            lambda: ("/health", {}),
        ]
        while True:
            yield drawn.choice(routes)()

    def ask(self, address: str, seed: int, over: threading.Event) -> None:
        """Be a client until it is over."""
        questions = self.questions(random.Random(seed))  # noqa: S311  # no secrets
        with httpx.Client(base_url=address, timeout=60) as client:
            while not over.is_set():
                route, parameters = next(questions)
                began = time.perf_counter()
                try:
                    answer = client.get(route, params=parameters)
                    wrong = "" if answer.status_code == 200 and answer.json().get("items", True) else answer.text
                except httpx.HTTPError as error:
                    wrong = repr(error)
                self.seconds.append(time.perf_counter() - began)
                self.asked[route] += 1
                if wrong:
                    self.failed.append(f"{route} {parameters}: {wrong[:200]}")
                    print(self.failed[-1], file=sys.stderr, flush=True)


class Changes:
    """What happens to the folder meanwhile."""

    def __init__(self, workdir: Path, days: list[Path], forgotten: list[str]) -> None:
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []
        self._workdir = workdir
        self._days = cycle(days)
        self._forgotten = forgotten

    def go_on(self, over: threading.Event) -> None:
        """One change after the other until it is over."""
        words: list[Callable[[], list[object]]] = [
            lambda: ["index", "publish"],
            lambda: ["index", "rollback"],
            lambda: ["forget", self._forgotten.pop()],
            lambda: ["run", "--data", next(self._days)],
        ]
        for make in cycle(words):
            if over.wait(2.0):
                return
            asked = make()
            done = _command(*asked, "-w", self._workdir)
            self.done[" ".join(map(str, asked[:2] if asked[0] == "index" else asked[:1]))] += 1
            if done.returncode:
                self.failed.append(f"{asked}: {done.stderr[-300:]}")
                print(self.failed[-1], file=sys.stderr, flush=True)


def _command(*words: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own: this one has threads, so it must not fork."""
    call = [*COLISTEN, *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@contextmanager
def serving(workdir: Path) -> Iterator[tuple[str, int]]:
    """The address and the process id of a server."""
    words = [*COLISTEN, "serve", "-w", str(workdir), "--set", "serve.port=0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        assert found
        log = threading.Thread(target=process.stderr.read, daemon=True)
        log.start()
        httpx.get(f"{found[0]}/search?q=love", timeout=60).raise_for_status()
        yield found[0], process.pid
        process.send_signal(signal.SIGTERM)


def soaked(root: Path, minutes: float, clients: int) -> tuple[Load, Changes, list[Held]]:
    """Ask and change for so many minutes."""
    days, workdir = make_days(root), root / "W"
    users = user_ids(days[0])
    first = colisten("run", "--data", days[0], "-w", workdir, *SETTINGS)
    assert first.code == 0, first.err
    shown = colisten("recommend", users[0], "-w", workdir, "-k", 10, "--csv").out.splitlines()[1:]
    load = Load(users[:100], [line.split(",")[1] for line in shown])
    changes, over, looks = Changes(workdir, days, users[100:]), threading.Event(), []
    with serving(workdir) as (address, pid):
        threads = [threading.Thread(target=load.ask, args=(address, seed, over)) for seed in range(clients)]
        threads.append(threading.Thread(target=changes.go_on, args=(over,)))
        for thread in threads:
            thread.start()
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            looks.append(held(pid))
        over.set()
        for thread in threads:
            thread.join()
    return load, changes, looks


def main() -> None:
    """Print what was asked, what was changed, and what the server held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    get_ready()
    os.environ["PYTHONSAFEPATH"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            load, changes, looks = soaked(root, given.minutes, given.clients)
        finally:
            remove(root / "W")
    print_table([{"asked": route, "answers": count} for route, count in sorted(load.asked.items())])
    slow = quantiles(load.seconds, n=100)[98]
    print(f"{load.asked.total():,} answers, 99 % in {slow:.2f} s, {len(load.failed)} failed")
    print_table([{"changed": name, "times": count} for name, count in changes.done.items()])
    print(f"{changes.done.total()} changes, {len(changes.failed)} failed")
    print_table(growth(looks))
    sys.exit(bool(load.failed or changes.failed))


if __name__ == "__main__":
    main()
