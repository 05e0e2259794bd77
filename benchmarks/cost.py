"""Processor time, peak memory and disk of every stage, on made-up worlds of two sizes (`python benchmarks/cost.py`).

Each stage is a process of its own, so that its peak is its own. What both sizes share is the price of starting; the
rest, divided by users, items or edges, is in docs/cost.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.command import COLISTEN
from colisten.listening.data import ListeningData
from colisten.listening.synth.world import make_world

STEPS = {
    "import": ("data", "import", "--data", "{data}"),
    "graph": ("graph", "build"),
    "gnn": ("gnn", "train"),
    "towers": ("towers", "train"),
    "index": ("index", "publish"),
    "recommend": ("recommend", "--users", "{users}", "-k", "100", "--out", "{out}"),
}


def measured(words: list[str]) -> dict[str, float]:
    """Seconds on the wall and of processor time, and MB at the peak, of one command."""
    began = time.monotonic()
    process = subprocess.Popen([*COLISTEN, *words], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall": round(time.monotonic() - began, 1), "cpu": round(cpu, 1), "peak_mb": usage.ru_maxrss >> 10}


def folder_mb(path: Path) -> float:
    """MB on disk of a file or folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return round(sum(file.stat().st_blocks * 512 for file in files if file.is_file()) / 2**20, 1)  # some have holes


def main() -> None:
    """Print one JSON object per world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[2000, 8000])
    for users in parser.parse_args().users:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            make_world(root / "data", users=users, audiobooks=users // 3, podcasts=users // 4)
            print(json.dumps(world(root)), flush=True)


def world(root: Path) -> dict[str, object]:
    """All steps on the data in `root/data`."""
    workdir, ids = root / "W", root / "users.csv"
    ids.write_text("\n".join(pl.read_parquet(root / "data/users.parquet")["user_id"]))
    places = {"data": root / "data", "users": ids, "out": root / "recs.parquet"}
    steps = {}
    for name, words in STEPS.items():
        steps[name] = measured([*(word.format(**places) for word in words), "--workdir", str(workdir)])
        print(f"  {name}: {steps[name]}", file=sys.stderr, flush=True)
    measured(["db", "stop", "--workdir", str(workdir)])
    data = ListeningData(workdir / "listening")
    sizes = {"users": len(data.users), "items": len(data.items), "interactions": data.summary["counts"]["interactions"]}
    sizes["edges"] = pl.scan_parquet(workdir / "edges/edges.parquet").select(pl.len()).collect().item()
    parts = ("listening", "edges", "neo4j/data", "features", "gnn", "towers", "index", "profiles.sqlite")
    return sizes | {"steps": steps, "disk_mb": {part: folder_mb(workdir / part) for part in parts}}


if __name__ == "__main__":
    main()
