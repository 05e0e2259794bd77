"""Processor time of quick commands, beside a bare Python that imports click (`python benchmarks/cli.py --workdir W`).

W is a working folder with a published index, say demo/work. Each command is run in turn with its peer, so that what
else the machine does falls on both; the least of all rounds counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks.command import MAIN
from colisten.serving.profiles import Profiles


def seconds(*words: str) -> float:
    """Processor time, system calls included, of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", *words], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print one line per command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, default=Path("demo/work"))
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with Profiles.open(given.workdir / "profiles.sqlite") as profiles:
        liked = profiles.items([0])[0].item_id
    os.environ["COLISTEN_WORKDIR"] = str(given.workdir)
    calls = {
        "python -c 'import click'": ("import click",),
        "python -c 'import numpy, pydantic, click'": ("import numpy, pydantic, click; pydantic.BaseModel",),
        "colisten --help": (MAIN, "--help"),
        "colisten recommend USER": (MAIN, "recommend", "somebody", "--json"),
        "colisten recommend --likes ITEM": (MAIN, "recommend", "--likes", liked, "--json"),
        "the same with --why (Neo4j running)": (MAIN, "recommend", "--likes", liked, "--json", "--why"),
        "colisten similar ITEM": (MAIN, "similar", liked, "--json"),
    }
    rounds = [{name: seconds(*words) for name, words in calls.items()} for _ in range(given.rounds)]
    least = {name: min(times[name] for times in rounds) for name in calls}
    bare = least["python -c 'import click'"]
    for name, time in least.items():
        print(f"{name:45} {time:5.2f} s  {time / bare:4.1f} x")


if __name__ == "__main__":
    main()
