"""Kill `colisten run` at random moments, run it again, and compare with a run that nobody disturbed.

    python benchmarks/kills.py [--times 100] [--seed 0]

A first run, a second day on top of the first, a first run by Neo4j's offline importer; killed are Python, Neo4j or
both. One more run has to end well, and to leave the same graph (all of it, by plain Cypher) and the same answers for
everybody, scores included.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.small_world import (
    SETTINGS,
    answers_hash,
    colisten,
    get_ready,
    graph_hash,
    kill_neo4j,
    last_stage,
    make_days,
    print_table,
    remove,
    start,
    user_ids,
)
from colisten.graph_store import loading

VICTIMS = ("Python", "Neo4j", "both")
_USUAL = loading.IMPORT_FROM


@dataclass(frozen=True)
class Scenario:
    """What is run, and what comes of it undisturbed."""

    name: str
    data: Path
    begin: Path | None
    """The working folder that it goes on from."""
    import_from: int
    """Edges from which the offline importer is used."""
    seconds: float = 0
    graph: str = ""
    answers: str = ""


@dataclass(frozen=True)
class Killed:
    """A run that was killed, and what the next one made of it."""

    scenario: str
    victim: str
    stage: str
    faults: tuple[str, ...]


class Campaign:
    """Runs in one folder, each on a working folder of the same path."""

    def __init__(self, root: Path) -> None:
        self.workdir = root / "W"
        self.days = make_days(root)
        self.users = user_ids(self.days[-1])
        self._root = root

    def scenarios(self) -> list[Scenario]:
        first, second = self.days
        plain = self._undisturbed(Scenario("first run", first, None, _USUAL))
        colisten("db", "stop", "-w", self.workdir)
        begin = self.workdir.rename(self._root / "first")
        found = [
            plain,
            self._undisturbed(Scenario("second day", second, begin, _USUAL)),
            self._undisturbed(Scenario("bulk import", first, None, 1)),
        ]
        assert (found[0].graph, found[0].answers) == (found[2].graph, found[2].answers), "both ways of loading"
        return found

    def killed(self, scenario: Scenario, victim: str, after: float) -> Killed:
        """Kill a run after some seconds, and look at what the next one leaves."""
        self._begin(scenario)
        work, began = start(*self._words(scenario)), time.monotonic()
        while work.runs() and time.monotonic() - began < after:
            time.sleep(0.005)
        if victim != "Neo4j":
            work.kill()
        if victim != "Python":
            kill_neo4j(self.workdir)
        stopped = work.end()
        faults = [f"killed: {stopped.fault}"] if victim == "Neo4j" and stopped.fault else []
        again = colisten(*self._words(scenario))
        if again.code:
            faults.append(f"run again: {again.fault or again.err.splitlines()[-1]}")
        else:
            faults += self._differences(scenario)
        return Killed(scenario.name, victim, last_stage(stopped), tuple(faults))

    def _undisturbed(self, scenario: Scenario) -> Scenario:
        self._begin(scenario)
        began = time.monotonic()
        done = colisten(*self._words(scenario))
        assert done.code == 0, done.err
        seconds = time.monotonic() - began
        print(f"{scenario.name}: {seconds:.1f} s undisturbed", file=sys.stderr, flush=True)
        graph, answers = graph_hash(self.workdir), answers_hash(self.workdir, self.users)
        return Scenario(scenario.name, scenario.data, scenario.begin, scenario.import_from, seconds, graph, answers)

    def _differences(self, scenario: Scenario) -> list[str]:
        if graph_hash(self.workdir) != scenario.graph:
            return ["another graph"]
        return [] if answers_hash(self.workdir, self.users) == scenario.answers else ["other answers"]

    def _begin(self, scenario: Scenario) -> None:
        remove(self.workdir)
        if scenario.begin:
            shutil.copytree(scenario.begin, self.workdir)
        loading.IMPORT_FROM = scenario.import_from  # forks have it

    def _words(self, scenario: Scenario) -> Sequence[object]:
        return ["run", "--data", scenario.data, "-w", self.workdir, *SETTINGS]


def main() -> None:
    """Print a line for each fault, and a table by stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    get_ready()
    drawn, found = random.Random(given.seed), []  # noqa: S311  # moments, no secrets
    with tempfile.TemporaryDirectory() as root:
        campaign = Campaign(Path(root))
        try:
            scenarios = campaign.scenarios()
            for number in range(given.times):
                scenario, victim = scenarios[number % len(scenarios)], VICTIMS[number // len(scenarios) % len(VICTIMS)]
                found.append(campaign.killed(scenario, victim, drawn.uniform(0, scenario.seconds)))
                print(f"{number + 1}: {found[-1]}", file=sys.stderr, flush=True)
        finally:
            remove(campaign.workdir)
    report(found)


def report(found: Sequence[Killed]) -> None:
    """Kills by what was at work, and how many of them one more run repaired whole."""
    for kind in ("scenario", "victim", "stage"):
        kills: Counter[str] = Counter()
        whole: Counter[str] = Counter()
        for each in found:
            kills[getattr(each, kind)] += 1
            whole[getattr(each, kind)] += not each.faults
        print_table([{kind: name.ljust(12), "kills": count, "repaired": whole[name]} for name, count in kills.items()])
        print()


if __name__ == "__main__":
    main()
