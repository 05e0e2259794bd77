"""Training of the graph network in one process and in two: seconds an epoch, and validation by epoch.

    python benchmarks/devices.py WORKDIR [--epochs 6] [--json FILE]

WORKDIR is that of a finished run. `one core` is one process that has to do all on one core; `one process` is the
default; `two processes` is `gnn.devices=2`. An epoch's time is the median of all but the first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.command import COLISTEN

ONE_CORE = ("taskset", "-c", "0")
WAYS = {"one core": (ONE_CORE, 1), "one process": ((), 1), "two processes": ((), 2)}


def train(workdir: Path, before: tuple[str, ...], devices: int, epochs: int) -> list[dict[str, float]]:
    """The epochs of the training log."""
    options = (f"gnn.devices={devices}", f"gnn.max_epochs={epochs}", "gnn.continued=false")
    words = ("--workdir", str(workdir), *(word for option in options for word in ("--set", option)))
    subprocess.run([*before, *COLISTEN, "gnn", "train", *words], check=True, stdout=sys.stderr)
    return [json.loads(line) for line in (workdir / "gnn/training.jsonl").read_text().splitlines()]


def main() -> None:
    """Print one JSON object a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--json", type=Path)
    given, rows = parser.parse_args(), []
    for way, (before, devices) in WAYS.items():
        found = train(given.workdir, before, devices, given.epochs)
        seconds = statistics.median(epoch["seconds"] for epoch in found[1:])
        rows.append({"way": way, "seconds an epoch": seconds, "validation": [epoch["validation"] for epoch in found]})
        print(json.dumps(rows[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
