"""Import many generated interactions and report time and peak memory.

    python benchmarks/import_memory.py [ROWS] [MEMORY_MB] [parquet|csv]

The rows are made by DuckDB in parts: popularity falls off, one row in a thousand is bad, one in a hundred is twice.
The import runs in a process of its own, so that the peak is that of the import.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

USERS, ITEMS = 1_000_000, 100_000

IMPORT = """
import json, resource, sys, time
from pathlib import Path
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings
start = time.perf_counter()
settings = Settings.load([f"listening.memory_mb={sys.argv[3]}"])
data = import_data(sys.argv[1], Path(sys.argv[2]), settings, Progress(quiet=True))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": round(time.perf_counter() - start, 1), "peak_rss_mb": peak // 1024,
                  **data.summary["counts"]}))
"""


def generate(folder: Path, rows: int, kind: str, parts: int = 8) -> None:
    db = duckdb.connect()
    db.execute("SELECT setseed(0.5)")
    form = "(FORMAT parquet)" if kind == "parquet" else "(FORMAT csv, HEADER)"
    db.execute(f"""COPY (SELECT 'item-' || i AS item_id, CASE WHEN i % 5 = 0 THEN 'audiobook' ELSE 'podcast' END AS
        item_type, 'Title of ' || i AS title, 'A description of ' || i AS description FROM range({ITEMS}) t(i))
        TO '{folder}/items.{kind}' {form}""")
    (folder / "interactions").mkdir()
    for part in range(parts):
        db.execute(f"""COPY (
            SELECT user_id, item_id, item_type, signal, timestamp, value FROM (
                SELECT 'user-' || (random() ^ 2 * {USERS})::INT AS user_id, 'item-' || item AS item_id,
                    CASE WHEN item % 5 = 0 THEN 'audiobook' ELSE 'podcast' END AS item_type,
                    CASE WHEN random() < 0.8 THEN 'stream' ELSE 'follow' END AS signal,
                    CASE WHEN i % 1000 = 0 THEN -1 ELSE 1700000000 + (random() * 9000000)::INT END AS timestamp,
                    (random() * 3600)::FLOAT AS value, CASE WHEN i % 100 = 1 THEN 2 ELSE 1 END AS times
                FROM (SELECT i, (random() ^ 3 * {ITEMS - 1})::INT AS item FROM range({rows // parts}) t(i))
            ), range(times)) TO '{folder}/interactions/part-{part}.{kind}' {form}""")


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    memory = sys.argv[2] if len(sys.argv) > 2 else "1024"
    kind = sys.argv[3] if len(sys.argv) > 3 else "parquet"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        folder.mkdir()
        start = time.perf_counter()
        generate(folder, rows, kind)
        size = sum(path.stat().st_size for path in folder.rglob("*.*")) >> 20
        print(f"{rows:,} rows of {kind} ({size} MB) made in {time.perf_counter() - start:.1f} s", file=sys.stderr)
        words = [sys.executable, "-c", IMPORT, str(folder), str(Path(name) / "out"), memory]
        found = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
        print(json.dumps({"rows": rows, "format": kind, "memory_mb": int(memory), **found}))


if __name__ == "__main__":
    main()
