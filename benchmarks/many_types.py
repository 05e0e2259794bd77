"""Many item types: seconds of `data import` and `graph build` where edges are of thousands of edge types.

    python benchmarks/many_types.py 80 250
    python benchmarks/many_types.py 80 --whole

Five items of each type, as many users as types, 24 streams each, drawn alike; `--whole` goes on with `run`, with two
epochs of each training. Commands run as a user's, with the start of Python and of Neo4j in their time.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from benchmarks.command import COLISTEN

_ITEMS, _STREAMS = 5, 24
_QUICK = ("gnn.max_epochs=2", "towers.epochs=2", "towers.minutes=0")


def write_data(types: int, folder: Path) -> None:
    """A folder of listening data."""
    rng = np.random.default_rng(0)
    kind, number = rng.integers(0, types, (types, _STREAMS)), rng.integers(0, _ITEMS, (types, _STREAMS))
    user, step = np.indices(kind.shape)
    streams = pl.DataFrame({name: value.ravel() for name, value in
                            (("user", user), ("kind", kind), ("number", number), ("step", step))})  # fmt: skip
    item = pl.format("t{}-{}", "kind", "number")
    streams.select(
        user_id=pl.format("u{}", "user"), item_id=item, item_type=pl.format("t{}", "kind"), signal=pl.lit("stream"),
        timestamp=1_700_000_000 + 60 * (pl.col("user") * _STREAMS + pl.col("step")),
    ).write_csv(folder / "interactions.csv")  # fmt: skip
    items = pl.DataFrame({"kind": np.repeat(np.arange(types), _ITEMS), "number": np.tile(np.arange(_ITEMS), types)})
    items.select(
        item_id=item, item_type=pl.format("t{}", "kind"), title=pl.format("t{} number {}", "kind", "number"),
        description=pl.format("about topic {}", pl.col("kind") % 20), language=pl.lit("en"),
        genres=pl.format("g{}", "number"),
    ).write_csv(folder / "items.csv")  # fmt: skip


def measure(types: int, *, whole: bool) -> None:
    """Print the seconds of each command."""
    with TemporaryDirectory() as name:
        data, work = Path(name) / "data", Path(name) / "W"
        data.mkdir()
        write_data(types, data)
        quick = [word for setting in _QUICK for word in ("--set", setting)]
        commands = [
            ["data", "import", "--data", str(data), "--set", "target=t0"],
            ["graph", "build"],
            *([["run", "--data", str(data), "--set", "target=t0", *quick]] if whole else []),
        ]
        try:
            for words in commands:
                began = time.monotonic()
                subprocess.run([*COLISTEN, *words, "--workdir", str(work)], check=True, stderr=subprocess.DEVNULL)
                print(f"{types} types, {' '.join(words[:2])}: {time.monotonic() - began:.1f} s", flush=True)
        finally:
            subprocess.run([*COLISTEN, "db", "stop", "--workdir", str(work)], check=False, capture_output=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", type=int, nargs="+")
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    for count in given.types:
        measure(count, whole=given.whole)
