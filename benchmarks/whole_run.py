"""A whole `colisten run`, stage by stage: time, processor time, memory, and how they grow with the data.

    python benchmarks/whole_run.py DATA [DATA …] [--set KEY=VALUE …] [--again]

Each DATA is a folder of listening data; give several, ever larger ones of the same kind, for slopes: the exponent that
a stage's processor time grows by with the number of items, from one folder to the next. A stage ends when its record is
written; one that runs beside others has what was spent since the last end before its own. Memory is the peak of the
summed PSS of the run and its children, Neo4j apart. `--again` runs once more on the same working folder with the next
folder of data: the second day of the first.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from benchmarks.command import COLISTEN
from colisten.listening.data import ListeningData

_SECONDS_BETWEEN_LOOKS, _LEAST = 0.5, 5


@dataclass(frozen=True)
class Cost:
    """Of one stage."""

    seconds: float
    cpu_seconds: float
    """Of the run and its children, those that ended included; Neo4j apart."""
    peak_mb: float


def processes(root: psutil.Process) -> Iterator[psutil.Process]:
    """The run and its children; Neo4j is a session of its own, or a child that runs Java."""
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            if not process.name().startswith("java"):
                yield process


def used(root: psutil.Process) -> tuple[float, float]:
    """Processor seconds so far, and MB at the moment."""
    seconds, held = 0.0, 0
    for process in processes(root):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
            if process.pid == root.pid:
                seconds += times.children_user + times.children_system
            held += process.memory_full_info().pss
    return seconds, held / 2**20


def costs(data: Path, workdir: Path, settings: list[str]) -> dict[str, Cost]:
    """Run; the cost of each stage in the order of their ends."""
    words = ["run", "--data", str(data), "--workdir", str(workdir), *(w for one in settings for w in ("--set", one))]
    child = subprocess.Popen([*COLISTEN, *words], stdout=sys.stderr)
    root, found, began, spent, peak = psutil.Process(child.pid), dict[str, Cost](), time.monotonic(), 0.0, 0.0
    last = {path.name: path.stat().st_mtime_ns for path in workdir.glob("stages/*.json")}
    while child.poll() is None:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        with suppress(psutil.NoSuchProcess):
            seconds, held = used(root)
            peak = max(peak, held)
        for path in workdir.glob("stages/*.json"):
            if path.name != "settings.json" and last.get(path.name) != path.stat().st_mtime_ns:
                last[path.name] = path.stat().st_mtime_ns
                found[path.stem] = Cost(time.monotonic() - began, max(0.0, seconds - spent), peak)
                began, spent, peak = time.monotonic(), seconds, held
                print(f"  {path.stem}: {asdict(found[path.stem])}", file=sys.stderr, flush=True)
    assert child.returncode == 0, f"the run ended with {child.returncode}"
    return found


def run(data: Path, workdir: Path, settings: list[str]) -> tuple[int, dict[str, Cost]]:
    """Items, and what a run on them costs; prints it."""
    found = costs(data, workdir, settings)
    read = ListeningData(workdir / "listening")
    seconds, cpu_seconds, peaks = zip(*(asdict(cost).values() for cost in found.values()), strict=True)
    stages = found | {"all": Cost(sum(seconds), sum(cpu_seconds), max(peaks))}
    sizes = {"items": len(read.items), "users": len(read.users)} | read.summary["counts"]
    table = {name: [round(value, 1) for value in asdict(cost).values()] for name, cost in stages.items()}
    print(json.dumps(sizes | {"s, processor s, MB": table}), flush=True)
    return len(read.items), stages


def slopes(smaller: tuple[int, dict[str, Cost]], larger: tuple[int, dict[str, Cost]]) -> dict[str, float]:
    """The exponent of growth of each stage's processor time, for stages of five seconds or more."""
    (few, before), (many, after) = smaller, larger
    return {
        name: round(math.log(after[name].cpu_seconds / cost.cpu_seconds) / math.log(many / few), 2)
        for name, cost in before.items()
        if name in after and cost.cpu_seconds >= _LEAST
    }


def main() -> None:
    """Print one JSON object a run, then the slopes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--keep", type=Path, help="where to keep the working folders 0, 1, …")
    given, found = parser.parse_args(), []
    with tempfile.TemporaryDirectory() as scratch:
        for place, data in enumerate(given.data):
            workdir = (given.keep or Path(scratch)) / ("0" if given.again else str(place))
            found.append(run(data, workdir, given.settings))
            subprocess.run([*COLISTEN, "db", "stop", "--workdir", str(workdir)], check=True)
    for smaller, larger in pairwise(found if not given.again else []):
        print(json.dumps({"slopes": slopes(smaller, larger)}))


if __name__ == "__main__":
    main()
