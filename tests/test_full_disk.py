"""A full disk is one kind of error, whichever library meets it."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from colisten.errors import DataError, OutOfSpaceError
from colisten.full_disk import is_full, told_when_full

WRITERS = """
import json, resource, sqlite3, sys
from pathlib import Path
import duckdb, numpy as np, polars as pl, pyarrow.parquet as pq
from safetensors.numpy import save_file
from colisten.errors import OutOfSpaceError
from colisten.workdir import draft_folder, replacing_file

numbers = np.random.default_rng(0).integers(0, 2**60, 100_000)
table = pl.DataFrame({"a": numbers})

def with_sqlite(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA max_page_count = 9")  # it takes the system's limit for a broken disk
        connection.execute("CREATE TABLE t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", ((n,) for n in numbers.tolist()))

def spilling(path):
    with draft_folder(path.parent, "spill") as spill:
        db = duckdb.connect(config={"memory_limit": "40MB", "temp_directory": str(spill), "threads": "1"})
        db.execute("CREATE TABLE t AS SELECT range AS a, hash(range)::VARCHAR AS b FROM range(3000000)")
        db.execute("SELECT * FROM t ORDER BY b DESC LIMIT 1 OFFSET 2900000").fetchall()

writers = {
    "python": lambda path: path.write_bytes(bytes(10**6)),
    "json": lambda path: path.write_text(json.dumps(numbers.tolist())),
    "polars": table.write_parquet,
    "polars, streamed": table.lazy().sink_parquet,
    "polars, csv": table.write_csv,
    "arrow": lambda path: pq.write_table(table.to_arrow(), path),
    "duckdb": lambda path: duckdb.sql(f"COPY (SELECT hash(range) FROM range(100000)) TO '{path}' (FORMAT parquet)"),
    "duckdb, spilling": spilling,
    "sqlite": with_sqlite,
    "safetensors": lambda path: save_file({"a": numbers}, path),
    "numpy": lambda path: np.save(path.open("wb"), numbers),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
found = {}
for name, write in writers.items():
    try:
        with replacing_file(Path(sys.argv[1]) / "out") as draft:
            write(draft)
        found[name] = "nothing"
    except BaseException as error:
        found[name] = type(error).__name__ if isinstance(error, OutOfSpaceError) else repr(error)
print(json.dumps([found, [path.name for path in Path(sys.argv[1]).iterdir()]]))
"""


def test_every_library_that_writes_files_is_understood(tmp_path: Path) -> None:
    """A limit on the size of files needs no rights, and is met as a full disk is."""
    done = subprocess.run([sys.executable, "-c", WRITERS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, left = json.loads(done.stdout)
    assert set(found.values()) == {"OutOfSpaceError"}, found
    assert left == []


def test_a_full_disk_is_found_behind_other_errors() -> None:
    with pytest.raises(OutOfSpaceError), told_when_full():
        try:
            raise OSError(errno.EDQUOT, "quota")
        except OSError as error:
            raise DataError("The file cannot be read.") from error
    with pytest.raises(DataError), told_when_full():
        raise DataError("The file cannot be read.")
    assert not is_full(OSError(errno.EACCES, "denied"))
