"""Colisten's defaults beside every tuned baseline, in made-up worlds that differ in what there is to learn from:

    python benchmarks/zoo.py [WORLD …] [--seed 7] [--folder F]

- sparse: 60,000 items of two types, 15,000 users with 11 items each
- thin: 2,000 users with 4 items each
- drifting: up to the middle of the time each user has somebody else's tastes
- textless: items without title, description, genres, creators, series
- tiny: a target type of 30 items
- noise: each stream is of an item that somebody streamed in the same fortnight, whoever it was

Others have the size of `colisten demo`. The last fortnight is hidden; `colisten run` and `colisten evaluate --baselines
all,hybrid`. Prints, per world, Colisten, the best of the baselines measure by measure, and the hybrid; a star where
Colisten is below the former by more than two standard errors of the paired difference (coverage: below at all). F
keeps worlds, working folders and `WORLD.json`, and what is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.command import COLISTEN

FORTNIGHT = 14 * 86_400
SEGMENTS = {"all": "all", "warm": "warm", "cold": "cold", "tail": "tail items", "unseen": "unseen items"}
WIDE = "coverage@100"


def unchanged(folder: Path, seed: int) -> None:
    """The world as it is made."""


def drifting(folder: Path, seed: int) -> None:
    """Give the first half of the time to other users."""
    events = pl.read_parquet(folder / "interactions.parquet")
    users = events["user_id"].unique().sort()
    others = users.shuffle(seed)
    early = pl.col("timestamp") < (events["timestamp"].max() + events["timestamp"].min()) // 2  # type: ignore[operator]
    changed = pl.when(early).then(pl.col("user_id").replace_strict(users, others)).otherwise("user_id")
    events.with_columns(user_id=changed).write_parquet(folder / "interactions.parquet")


def textless(folder: Path, seed: int) -> None:
    """Leave nothing of the items but their ids and types."""
    items = pl.read_parquet(folder / "items.parquet").select("item_id", "item_type", title=pl.lit(""))
    items.write_parquet(folder / "items.parquet")


def noise(folder: Path, seed: int) -> None:
    """Deal the items of each type and fortnight out anew."""
    events = pl.read_parquet(folder / "interactions.parquet")
    together = ["item_type", pl.col("timestamp") // FORTNIGHT]
    dealt = pl.col("item_id").shuffle(seed).over(together)
    events.with_columns(dealt).write_parquet(folder / "interactions.parquet")


@dataclass(frozen=True)
class World:
    """Arguments of `colisten data synth`, and what is changed then."""

    synth: tuple[str, ...] = ()
    change: Callable[[Path, int], None] = unchanged


WORLDS = {
    "sparse": World(("--users", "15000", "--audiobooks", "30000", "--podcasts", "30000", "--per-user", "11")),
    "thin": World(("--users", "2000", "--per-user", "4")),
    "drifting": World(change=drifting),
    "textless": World(change=textless),
    "tiny": World(("--audiobooks", "30")),
    "noise": World(change=noise),
}


def colisten(*words: str | Path) -> None:
    print("colisten", *words, file=sys.stderr, flush=True)
    subprocess.run([*COLISTEN, *map(str, words)], stdout=sys.stderr, check=True)


def evaluated(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """The report of `colisten evaluate`, made where it is not there yet."""
    out = folder / f"{name}.json"
    if not out.exists():
        world, split, workdir = (folder / f"{name}-{part}" for part in ("world", "split", "workdir"))
        if not split.exists():
            colisten("data", "synth", world, "--seed", str(seed), *WORLDS[name].synth)
            WORLDS[name].change(world, seed)
            colisten("data", "split", world, split, "--target", "audiobook", "--days", "14")
        colisten("run", "--data", split / "train", "--workdir", workdir)
        colisten("db", "stop", "--workdir", workdir)
        words = ("--split", split, "--workdir", workdir, "--baselines", "all,hybrid", "--out", out)
        colisten("evaluate", *words)
    report: dict[str, Any] = json.loads(out.read_text())[0]
    return report


def told(name: str, report: Mapping[str, Any]) -> None:
    """Print the rows of a world."""
    segments, differences, lists = report["segments"], report["differences"], report["lists"]
    peers = [peer for peer in lists if peer != "colisten"]
    measures = [(label, segment, "hr@10") for label, segment in SEGMENTS.items() if segment in segments]
    measures.insert(1, ("NDCG", "all", "ndcg@10"))
    print(f"\n{name}: {report['counts']['users']:,} test users")
    print(f"{'HR@10':10} {'colisten':>9} {'best':>9} {'':12} {'hybrid':>9}")
    for label, segment, metric in measures:
        found = {peer: segments[segment][peer][metric]["mean"] for peer in ("colisten", *peers)}
        best = max(peers, key=found.__getitem__)
        apart = differences[segment][best][metric]
        star = "*" if apart["mean"] > 2 * apart["se"] else ""
        print(f"{label:10} {found['colisten']:9.3f} {found[best]:9.3f} {best:12} {found['hybrid']:9.3f} {star}")
    wide = {peer: lists[peer][WIDE] for peer in lists}
    best = max(peers, key=wide.__getitem__)
    star = "*" if wide["hybrid"] > wide["colisten"] else ""
    print(
        f"{'coverage':10} {wide['colisten']:9.2f} {wide[best]:9.2f} {best:12} {wide['hybrid']:9.2f} {star}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="*", metavar="WORLD", default=list(WORLDS))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in given.worlds:
            told(name, evaluated(name, folder, given.seed))


if __name__ == "__main__":
    main()
