"""Fill the disk as each stage of a second day begins: exit code 7, one sentence, answers; then go on with room again.

    python benchmarks/full_disk.py [--stages towers,index] [--spare 0,200000]

The working folder lies on a disk in memory, which needs the rights to mount one. `--spare` has bytes that are left.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.small_world import (
    SETTINGS,
    Ended,
    answers_hash,
    colisten,
    get_ready,
    graph_hash,
    last_stage,
    make_days,
    print_table,
    remove,
    start,
    user_ids,
)
from colisten.pipeline.stages import STAGES

SIZE = "4g"


class Campaign:
    """A first day to go on from, and what a second day comes to where there is room."""

    def __init__(self, root: Path, disk: Path) -> None:
        first, self._second = make_days(root)
        self.workdir, self._ballast, self._begin = disk / "W", disk / "ballast", root / "begin"
        self._users = user_ids(self._second)
        assert self._run(first).code == 0
        colisten("db", "stop", "-w", self.workdir)
        shutil.copytree(self.workdir, self._begin)
        assert self._run(self._second).code == 0
        self._after = graph_hash(self.workdir), self._answers()

    def filled(self, title: str, spare: int) -> tuple[str, list[str]]:
        """Fill the disk as the stage of that title begins; what came of the run in words, and faults."""
        remove(self.workdir)
        shutil.copytree(self._begin, self.workdir)
        work = start("run", "--data", self._second, "-w", self.workdir)
        while work.runs() and f"{title} …" not in work.said():
            time.sleep(0.002)
        self._fill(spare)
        ended = work.end()
        faults = [] if ended.code in (0, 7) and not ended.fault else [f"run: code {ended.code}: {ended.err[-300:]}"]
        if ended.code:
            asked = colisten("recommend", self._users[0], "-w", self.workdir, "--json")
            faults += [f"recommend on the full disk: {asked.fault or asked.err[-200:]}"] if asked.code else []
        self._ballast.unlink()
        again = self._run(self._second)
        if again.code:
            faults.append(f"run again: {again.fault or again.err.splitlines()[-1]}")
        elif (graph_hash(self.workdir), self._answers()) != self._after:
            faults.append("another graph or other answers after the run")
        return f"code {ended.code} in {last_stage(ended)}", faults

    def _fill(self, spare: int) -> None:
        free = shutil.disk_usage(self.workdir).free
        with self._ballast.open("wb") as file:
            while free > spare:
                try:
                    file.write(bytes(min(free - spare, 1 << 20)))
                    file.flush()
                except OSError:
                    break
                free = shutil.disk_usage(self.workdir).free

    def _run(self, source: Path) -> Ended:
        return colisten("run", "--data", source, "-w", self.workdir, *SETTINGS)

    def _answers(self) -> str:
        return answers_hash(self.workdir, self._users)


@contextmanager
def disk_in_memory() -> Iterator[Path]:
    """A file system of its own."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def main() -> None:
    """Print a row for each stage and spare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", default=",".join(stage.name for stage in STAGES))
    parser.add_argument("--spare", default="0,200000")
    given = parser.parse_args()
    get_ready()
    with tempfile.TemporaryDirectory() as root, disk_in_memory() as disk:
        campaign = Campaign(Path(root), disk)
        try:
            print_table(list(_all(campaign, given.stages.split(","), [int(spare) for spare in given.spare.split(",")])))
        finally:
            remove(campaign.workdir)


def _all(campaign: Campaign, names: Sequence[str], spares: Sequence[int]) -> Iterator[dict[str, object]]:
    for stage in STAGES:
        for spare in spares if stage.name in names else ():
            found, faults = campaign.filled(stage.title, spare)
            print(f"{stage.name}, {spare} bytes left: {found}", *faults, sep="\n    ", file=sys.stderr, flush=True)
            yield {"stage": stage.name, "bytes left": spare, "run": found, "faults": len(faults)}


if __name__ == "__main__":
    main()
