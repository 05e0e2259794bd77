"""What the campaigns share: a small made-up world on two days, and the command, run in forks of a process that has
everything imported, which is most of what it would take on so little data.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import polars as pl

from colisten import cli
from colisten.cli.main import main
from colisten.graph_store.endpoint import connect
from colisten.graph_store.server import process
from colisten.graph_store.server.managed import ManagedServer
from colisten.listening.synth.world import make_world
from colisten.pipeline.stages import STAGES
from colisten.progress import Progress
from colisten.settings import Settings

SMALL = (
    "gnn.max_epochs=2", "gnn.dim=8", "gnn.edges_per_epoch=500", "towers.epochs=1", "towers.hidden=16", "towers.dim=8",
    "towers.minutes=0", "neo4j.memory_mb=512",
)  # fmt: skip
SETTINGS = [word for setting in SMALL for word in ("--set", setting)]
_LIBRARIES = (
    "torch",
    "torch_geometric",
    "lightning.pytorch",
    "sentence_transformers",
    "qdrant_edge",
    "usearch",
    "ibis",
)
_NODES = "MATCH (n:Item) RETURN labels(n) AS labels, properties(n) AS properties"
_EDGES = (
    "MATCH (a:Item)-[r]->(b:Item) RETURN a.item AS src, type(r) AS type, b.item AS dst, properties(r) AS properties"
)


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    """Exit code; minus the number of the signal that ended it."""
    out: str
    err: str

    @property
    def fault(self) -> str:
        """What is wrong with how it ended: nothing where it did its work, or said in one sentence why it cannot."""
        if "Traceback" in self.err or self.code < 0:
            return f"code {self.code}: {' '.join(self.err.split())[-300:]}"
        return "" if self.code == 0 or "Error: " in (self.err.splitlines() or [""])[-1] else f"code {self.code}, untold"


def last_stage(ended: Ended) -> str:
    """The last stage that a run has begun, by what it has said."""
    begun = [stage.name for line in ended.err.splitlines() for stage in STAGES if line == f"{stage.title} …"]
    return begun[-1] if begun else "none"


class Fork:
    """A function at work in a child process, in a session of its own."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._streams: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115  # closed in `end`
        self.ended_by: int | None = None
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.pid = os.fork()
        if not self.pid:
            self._be_the_child(call)

    def _be_the_child(self, call: Callable[[], object]) -> None:
        code = 1
        os.setsid()
        for place, stream in enumerate(self._streams, 1):
            os.dup2(stream.fileno(), place)
        try:
            call()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # whatever it is, it is told by the child
            traceback.print_exc()
        finally:
            for out in (sys.stdout, sys.stderr):
                out.flush()
            os._exit(code)

    def said(self) -> str:
        """What it has written to stderr so far."""
        size = os.fstat(self._streams[1].fileno()).st_size
        return os.pread(self._streams[1].fileno(), size, 0).decode(errors="replace")

    def runs(self) -> bool:
        if self.ended_by is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.ended_by = os.waitstatus_to_exitcode(status) if pid else None
        return self.ended_by is None

    def kill(self) -> None:
        """Kill it and all its children in its session."""
        if self.runs():
            os.killpg(self.pid, signal.SIGKILL)

    def end(self, seconds: float = 600) -> Ended:
        """Wait for its end; one that hangs is killed."""
        deadline = time.monotonic() + seconds
        while self.runs():
            if time.monotonic() > deadline:
                self.kill()
            time.sleep(0.01)
        out, err = (
            os.pread(s.fileno(), os.fstat(s.fileno()).st_size, 0).decode(errors="replace") for s in self._streams
        )
        for stream in self._streams:
            stream.close()
        assert self.ended_by is not None
        return Ended(self.ended_by, out, err)


def start(*words: object) -> Fork:
    """`colisten WORDS`, at work."""

    def call() -> None:
        sys.argv = ["colisten", *map(str, words)]
        main()

    return Fork(call)


def colisten(*words: object) -> Ended:
    """`colisten WORDS`, to its end."""
    return start(*words).end()


def apart(call: Callable[[], object]) -> Any:
    """A JSON-able result, computed in a fork: what starts threads must not run in the process that forks."""
    ended = Fork(lambda: print(json.dumps(call()))).end()
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def get_ready() -> None:
    """Import all that commands import, once; and let no setting of whoever runs this reach them."""
    for name in [name for name in os.environ if name.startswith("COLISTEN_") and name != "COLISTEN_CACHE"]:
        del os.environ[name]
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")  # servers that live for seconds
    for package in _LIBRARIES:
        importlib.import_module(package)
    for found in pkgutil.walk_packages(cli.__path__, "colisten.cli."):
        importlib.import_module(found.name)


def make_days(root: Path) -> list[Path]:
    """A world as it is known on two days: on the second there are more items and more events."""
    apart(lambda: _make(root))
    return [root / "day1", root / "world"]


def _make(root: Path) -> None:
    make_world(root / "world", users=150, audiobooks=40, podcasts=30, seed=3)
    shutil.copytree(root / "world", root / "day1", ignore=shutil.ignore_patterns("truth"))
    events = pl.read_parquet(root / "world/interactions.parquet")
    known = pl.read_parquet(root / "world/items.parquet").filter(pl.int_range(pl.len()) % 15 > 0)
    known.write_parquet(root / "day1/items.parquet")
    before = events.filter(pl.col("timestamp") < events["timestamp"].quantile(0.9))
    before.join(known, on="item_id", how="semi").write_parquet(root / "day1/interactions.parquet")


def user_ids(data: Path) -> list[str]:
    """The users of a source folder."""
    return [str(name) for name in apart(lambda: sorted(pl.read_parquet(data / "users.parquet")["user_id"]))]


def graph_hash(workdir: Path) -> str:
    """A hash of all that Neo4j holds, read by plain Cypher; the server is started where it does not run."""
    return str(apart(lambda: _graph_hash(workdir)))


def _graph_hash(workdir: Path) -> str:
    whole = hashlib.sha256()
    endpoint = ManagedServer(workdir / "neo4j", Settings.load(SMALL).neo4j, Progress(quiet=True)).start()
    with connect(endpoint) as driver:
        for query in (_NODES, _EDGES):
            rows = [json.dumps(row.data(), sort_keys=True, default=str) for row in driver.execute_query(query).records]
            whole.update("\n".join(sorted(rows)).encode())
    return whole.hexdigest()[:16]


def answers_hash(workdir: Path, users: Sequence[str]) -> str:
    """A hash of the first 20 items of each type for everybody, with scores."""
    whole = hashlib.sha256()
    with tempfile.TemporaryDirectory() as scratch:
        ids, out = Path(scratch) / "users.csv", Path(scratch) / "answers.parquet"
        ids.write_text("".join(f"{user}\n" for user in users))
        for kind in ("audiobook", "podcast"):
            done = colisten("recommend", "--users", ids, "-w", workdir, "-k", 20, "--type", kind, "--out", out)
            assert done.code == 0, done.err
            whole.update(apart(lambda: pl.read_parquet(out).write_csv()).encode())
    return whole.hexdigest()[:16]


def kill_neo4j(workdir: Path) -> bool:
    """Kill the managed server of a working folder, if it runs."""
    server = process.find((workdir / "neo4j").resolve())
    if server is None:
        return False
    server.kill()
    while process.find((workdir / "neo4j").resolve()):
        time.sleep(0.01)
    return True


def remove(workdir: Path) -> None:
    """Remove a working folder, its server with it."""
    kill_neo4j(workdir)
    shutil.rmtree(workdir, ignore_errors=True)


def print_table(rows: Sequence[dict[str, object]]) -> None:
    """Rows as columns of equal width, numbers to the right."""
    names = list(rows[0])
    columns = [[name, *(str(row[name]) for row in rows)] for name in names]
    widths = [max(map(len, column)) for column in columns]
    for place in range(len(rows) + 1):
        cells = (
            column[place].rjust(width) if isinstance(rows[0][name], int | float) else column[place].ljust(width)
            for name, column, width in zip(names, columns, widths, strict=True)
        )
        print("  ".join(cells).rstrip(), flush=True)
