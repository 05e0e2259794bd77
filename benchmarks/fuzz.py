"""Import damaged files, many at once: no traceback, no hang, every row accounted for.

    python benchmarks/fuzz.py [--inputs 100000] [--minutes M] [--seed 0] [--batch N]

An input is a CSV or Parquet file of one table with some of its records, values, types or bytes spoilt. Files are
imported in batches; one that is refused has to be named in the one sentence that says so, and the others are tried
without it. Of a file that is read: kept and set aside make all rows, and every row that nothing was done to is kept.
`--batch` runs one batch again, by the number that a fault was printed with.
"""

from __future__ import annotations

import argparse
import json
import random
import selectors
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import polars as pl

from benchmarks.fuzz_inputs import (
    BROKEN,
    DELIMITERS,
    ITEMS,
    KEYS,
    KINDS,
    WHOLE,
    Dialect,
    Input,
    base_rows,
    spoil_bytes,
    write_csv,
    write_parquet,
)
from benchmarks.small_world import print_table
from colisten.errors import ColistenError
from colisten.listening import checks, dataset_checks
from colisten.listening.contract import literal
from colisten.listening.staging import Staged, staged
from colisten.progress import Progress
from colisten.settings import Settings

SORTS = ("CSV", "CSV", "CSV", "CSV", "CSV bytes", "CSV bytes", "Parquet types", "Parquet types", "Parquet bytes")
TOGETHER = {"CSV": 100, "CSV bytes": 4, "Parquet types": 4, "Parquet bytes": 2}
"""Files of one import: few where many are refused, since the others are tried again after each."""
TWICE = ("NULL", *map(literal, (checks.SAME_ITEM, checks.OTHER_ROW, checks.REPEATED, checks.SAME_RELATION)))
"""Reasons for which a row may be set aside that nothing was done to: another was spoilt into one like it."""
SECONDS_OF_A_BATCH = 600
"""Without a word, for a process on a machine that does much else."""
_MOODS = ",".join(f"mood{number}" for number in range(max(TOGETHER.values())))
SETTINGS = Settings.load(
    ["listening.conflicting_items=1", "listening.memory_mb=512", f"graph.relations=similar_text,{_MOODS}"]
)
QUIET = Progress(quiet=True)


@dataclass
class Batch:
    """Files of one table, and what came of them."""

    number: int
    sort: str
    table: str
    inputs: list[Input] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def batch_of(seed: int, number: int, folder: Path) -> Batch:
    """The batch of this number, always the same, in files."""
    drawn = random.Random(f"{seed} {number}")  # noqa: S311  # no secrets
    batch = Batch(number, drawn.choice(SORTS), drawn.choice(list(KEYS)))
    write_clean(folder)
    dialect = Dialect(drawn.choice(DELIMITERS), BROKEN if batch.sort == "CSV bytes" else WHOLE)
    for place in range(TOGETHER[batch.sort]):
        rows, path = base_rows(batch.table, place, drawn), folder / f"{batch.table}-{place:04d}"
        if batch.sort.startswith("CSV"):
            batch.inputs.append(write_csv(batch.table, rows, path.with_suffix(".csv"), dialect, drawn))
        else:
            made = write_parquet(batch.table, rows, path.with_suffix(".parquet"), drawn)
            batch.inputs.append(spoil_bytes(made, drawn) if batch.sort == "Parquet bytes" else made)
    _keep_clean_apart(batch, folder)
    return batch


def write_clean(folder: Path) -> None:
    """The tables that are needed, whole."""
    items = [(f"item{place}", KINDS[place % 2], f"Title {place}") for place in range(ITEMS)]
    pl.DataFrame(items, ["item_id", "item_type", "title"], orient="row").write_csv(folder / "items.csv")
    events = [(f"somebody{place}", f"item{place}", KINDS[place % 2], "stream", 1_700_000_000) for place in range(ITEMS)]
    names = ["user_id", "item_id", "item_type", "signal", "timestamp"]
    pl.DataFrame(events, names, orient="row").write_csv(folder / "interactions.csv")


def _keep_clean_apart(batch: Batch, folder: Path) -> None:
    """All files of a table are of one format."""
    clean = folder / f"{batch.table}.csv"
    if clean.exists() and batch.sort.startswith("Parquet"):
        pl.read_csv(clean, infer_schema=False).write_parquet(clean.with_suffix(".parquet"))
        clean.unlink()


def run(batch: Batch, folder: Path) -> None:
    """Import until nothing is refused any more."""
    left = list(batch.inputs)
    while left:
        try:
            with (
                tempfile.TemporaryDirectory() as scratch,
                staged(str(folder), Path(scratch), SETTINGS, QUIET) as checked,
            ):
                _account(batch, left, checked)
            return
        except ColistenError as error:
            named = [found for found in left if found.path.name in str(error)]
            if len(named) != 1 or "\n" in str(error):
                if len(left) > 1:
                    _one_by_one(batch, left, folder)
                else:
                    batch.counts["refused"] += 1  # by what is in it, as no table without it would be
                return
            batch.counts["refused"] += 1
            named[0].path.unlink()
            left.remove(named[0])
        except Exception:  # this is what is looked for
            if len(left) > 1:
                _one_by_one(batch, left, folder)
            else:
                batch.faults.append(f"{left[0].path.name}: {traceback.format_exc()[-1500:]}")
            return


def _one_by_one(batch: Batch, left: Sequence[Input], folder: Path) -> None:
    """Each file alone, where an error does not say which one it is about."""
    for found in left:
        with tempfile.TemporaryDirectory() as alone:
            write_clean(Path(alone))
            _keep_clean_apart(batch, Path(alone))
            moved = Input(found.path.replace(Path(alone) / found.path.name), found.keys, found.rows)
            batch.counts["alone"] += 1
            one = Batch(batch.number, batch.sort, batch.table, [moved])
            run(one, Path(alone))
            batch.counts += one.counts
            batch.faults += one.faults


def _account(batch: Batch, left: Sequence[Input], checked: Staged) -> None:
    table, key = batch.table, KEYS[batch.table]
    found = checked.db.execute(f"""
        SELECT file, count(*), count(reason), list({key}) FILTER (reason IS NULL OR reason IN ({", ".join(TWICE)}))
        FROM checked_{table} GROUP BY file""").fetchall()
    broken = dict(
        checked.db.execute("SELECT file, count(*) FROM rejected WHERE broken AND table_name = ? GROUP BY 1", [table])
        .fetchall()
    )  # fmt: skip
    of_file = {Path(file).name: rest for file, *rest in found}
    for each in left:
        rows, aside, keys = of_file.get(each.path.name, (0, 0, []))
        lost = broken.get(str(each.path), 0)
        batch.counts += Counter(read=1, rows=rows + lost, kept=rows - aside, aside=aside + lost)
        if each.rows is not None and rows + lost != each.rows:
            batch.faults.append(f"{each.path.name}: {each.rows} rows, {rows} read and {lost} broken")
        if missing := each.keys - set(keys or ()):
            batch.faults.append(f"{each.path.name}: {sorted(missing)[:5]} are untouched and not there")


def work(seed: int, numbers: Iterator[int]) -> None:
    """Run batches, and say of each what came of it, as a line of JSON."""
    dataset_checks.check_signals = lambda db, settings: None  # a spoilt signal is no fault
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            began, batch = time.monotonic(), batch_of(seed, number, Path(folder))
            size = len(batch.inputs)
            run(batch, Path(folder))
        about = {"sort": batch.sort, "table": batch.table, "inputs": size, "faults": batch.faults}
        print(
            json.dumps({"batch": number, "seconds": time.monotonic() - began, "counts": batch.counts, **about}),
            flush=True,
        )


def watched(seed: int, inputs: int, seconds: float) -> Iterator[dict[str, object]]:
    """Results of worker processes, begun anew where one dies or hangs; that batch is a fault."""
    done, number, end = 0, 0, time.monotonic() + seconds
    over = False
    while not over:
        words = [sys.executable, __file__, "--seed", str(seed), "--from-batch", str(number)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
            for result in _lines(worker):
                yield result
                done, number = done + int(str(result["inputs"])), number + 1
                over = done >= inputs or time.monotonic() > end
                if over:
                    worker.kill()
                    break
        if not over:
            yield {
                "batch": number,
                "inputs": 0,
                "counts": {},
                "faults": [f"the process ended with {worker.returncode}"],
            }
            number += 1


def _lines(worker: subprocess.Popen[str]) -> Iterator[dict[str, object]]:
    assert worker.stdout is not None
    ready = selectors.DefaultSelector()
    ready.register(worker.stdout, selectors.EVENT_READ)
    while ready.select(SECONDS_OF_A_BATCH):
        line = worker.stdout.readline()
        if not line:
            worker.wait()
            return
        yield json.loads(line)
    worker.kill()
    worker.wait()


def main() -> None:
    """Print a line for each fault, and a table by sort of file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=inf, help="end earlier, after so many minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--from-batch", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.batch is not None:
        work(given.seed, iter([given.batch]))
        return
    if given.from_batch is not None:
        work(given.seed, iter(range(given.from_batch, sys.maxsize)))
        return
    totals: dict[str, Counter[str]] = {}
    for result in watched(given.seed, given.inputs, 60 * given.minutes):
        counts = totals.setdefault(str(result.get("sort", "died or hung")), Counter())
        faults = result["faults"]
        assert isinstance(faults, list)
        counts += Counter(result["counts"]) + Counter(inputs=result["inputs"], faults=len(faults))  # type: ignore[call-overload]
        for fault in faults:
            print(f"batch {result['batch']}: {fault}", file=sys.stderr, flush=True)
    names = ("inputs", "read", "refused", "rows", "kept", "aside", "faults")
    print_table([{"sort": sort.ljust(14), **{name: counts[name] for name in names}} for sort, counts in totals.items()])


if __name__ == "__main__":
    main()
