"""Damage each file of a working folder, one at a time, and look at what commands say and what a run repairs.

    python benchmarks/damage.py [--only PATTERN] [--ways emptied,truncated,gone]

Every command has to give the answer that it gave before, or one sentence; then `colisten run` has to end well, and
every command to give its answer again. Neo4j's own store is left alone, files of ours beside it are not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.small_world import SETTINGS, Ended, colisten, get_ready, make_days, print_table, remove, user_ids

WAYS: dict[str, Callable[[Path], None]] = {
    "emptied": lambda path: os.truncate(path, 0),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "gone": Path.unlink,
}
LEFT_OUT = ("neo4j/data/", "neo4j/logs/", "neo4j/run/", "neo4j/import/")
NOT_MADE = "experiments/"
"""What no run can make anew: it is told until somebody removes it."""
_NO_GRAPH = "Reasons are without paths"
UNLIKE = ("doctor", "config", "index list")
"""Commands that tell of the folder: what they print changes with it."""


@dataclass
class Seen:
    """What came of one damaged file."""

    file: str
    way: str
    answered: int = 0
    told: int = 0
    faults: list[str] = field(default_factory=list)


class Campaign:
    """A working folder as it was made, and one to damage, which takes its place."""

    def __init__(self, root: Path) -> None:
        self.source = make_days(root)[-1]
        self.workdir, self._whole = root / "W", root / "whole"
        user = user_ids(self.source)[0]
        self._must("run", "--data", self.source, *SETTINGS, "--set", "gnn.continued=false")
        self._must("index", "publish")
        (root / "users.csv").write_text(user)
        self._must("experiment", "assign", "shelf", user)
        self._must("recommend", "--users", root / "users.csv", "--experiment", "shelf", "--out", root / "shown.parquet")
        item = self._must("recommend", user, "--csv").out.splitlines()[1].split(",")[1]
        self._questions = _questions(user, item)
        self._must("db", "stop")
        shutil.copytree(self.workdir, self._whole)
        self._must("db", "start")
        self._answers = self._ask()

    def files(self) -> list[str]:
        """Paths below the folder; of each kind of files in a shard the last one, which is of the live collection."""
        found = (path for path in sorted(self._whole.rglob("*")) if path.is_file() and not path.name.endswith("lock"))
        names = (str(path.relative_to(self._whole)) for path in found)
        return list({_kind(name): name for name in names if not name.startswith(LEFT_OUT)}.values())

    def damaged(self, name: str, way: str) -> Seen:
        """Damage a file of the folder, ask, run, ask again."""
        seen = Seen(name, way)
        WAYS[way](self.workdir / name)
        self._compare(seen, self._ask(), "")
        done = self._colisten("run", "--data", self.source)
        if done.code:
            seen.faults.append(f"run: {done.fault or done.err.splitlines()[-1]}")
        else:
            after = Seen(name, way)
            self._compare(after, self._ask(), "after the run: ")
            seen.faults += after.faults
            if after.told and not name.startswith(NOT_MADE):
                seen.faults.append(f"after the run: {after.told} told")
        return seen

    def restore(self, damaged: str) -> None:
        """Begin with the whole folder again; the server goes on if it was not about it: its data is as before."""
        if damaged.startswith("neo4j/"):
            remove(self.workdir)
            shutil.copytree(self._whole, self.workdir)
            self._must("db", "start")
            return
        for path in (path for path in self.workdir.iterdir() if path.name != "neo4j"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in (path for path in self._whole.iterdir() if path.name != "neo4j"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, self.workdir / path.name)

    def _compare(self, seen: Seen, now: Mapping[str, Ended], when: str) -> None:
        for name, ended in now.items():
            before = self._answers[name]
            if ended.fault and not (name == "doctor" and ended.code == 1 and "Traceback" not in ended.err):
                seen.faults.append(f"{when}{name}: {ended.fault}")
            elif (ended.code != before.code or _NO_GRAPH in ended.err) and name not in UNLIKE:
                seen.told += 1
            elif ended.out != before.out and name not in UNLIKE:
                seen.faults.append(f"{when}{name}: another answer")
            else:
                seen.answered += 1

    def _ask(self) -> dict[str, Ended]:
        return {name: self._colisten(*words) for name, words in self._questions.items()}

    def _colisten(self, *words: object) -> Ended:
        return colisten(*words, "-w", self.workdir)

    def _must(self, *words: object) -> Ended:
        done = self._colisten(*words)
        assert done.code == 0, done.err
        return done


def _kind(name: str) -> str:
    """The path, without what tells files of a shard apart: names of segments, fields and vectors."""
    room, _, inner = name.rpartition("/shard/")
    return re.sub(r"/[0-9a-f-]{36}/|(?<=/)[0-9a-z]{20,}-[a-z_]+|(?<=-)[a-z_0-9]+(?=/)", "", inner) if room else name


def _questions(user: str, item: str) -> dict[str, Sequence[str]]:
    return {
        "recommend": ["recommend", user, "--json"],
        "recommend --why": ["recommend", user, "--json", "--why", "-k", "5"],
        "recommend --likes": ["recommend", "--likes", item, "--type", "podcast", "--json"],
        "similar": ["similar", item, "--across", "--json"],
        "search": ["search", "a slow-burn mystery", "--json"],
        "index list": ["index", "list", "--json"],
        "graph show": ["graph", "show", item, "--json"],
        "graph stats": ["graph", "stats", "--json"],
        "experiment read": ["experiment", "read", "shelf", "--json"],
        "forget": ["forget", "nobody of this name"],
        "config": ["config"],
        "doctor": ["doctor", "--deep", "--json"],
    }


def main() -> None:
    """Print a line for each file with a fault, and a table by room."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a regular expression of the paths to damage")
    parser.add_argument("--ways", help="several for every file; by default emptied and truncated take turns")
    given = parser.parse_args()
    get_ready()
    with tempfile.TemporaryDirectory() as root:
        campaign = Campaign(Path(root))
        try:
            report(list(_all(campaign, given.only, given.ways.split(",") if given.ways else [])))
        finally:
            remove(campaign.workdir)


def _all(campaign: Campaign, only: str, ways: Sequence[str]) -> Iterator[Seen]:
    for number, name in enumerate(campaign.files()):
        for way in (ways or [list(WAYS)[number % 2]]) if re.search(only, name) else ():
            seen = campaign.damaged(name, way)
            print(
                f"{name} {way}: {seen.answered} answered, {seen.told} told", *seen.faults, sep="\n    ", file=sys.stderr
            )
            campaign.restore(name)
            yield seen


def report(found: Sequence[Seen]) -> None:
    """Damages by room, what commands made of them, and how many a run repaired."""
    rooms = {each.file: each.file.partition("/")[0] for each in found}
    counts: dict[str, Counter[str]] = {room: Counter() for room in rooms.values()}
    for each in found:
        counts[rooms[each.file]] += Counter(damages=1, answered=each.answered, told=each.told, faults=len(each.faults))
    names = ("damages", "answered", "told", "faults")
    print_table([{"room": room, **{name: count[name] for name in names}} for room, count in counts.items()])


if __name__ == "__main__":
    main()
