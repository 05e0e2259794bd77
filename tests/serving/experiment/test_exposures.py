"""The exposure log: kept by kills, shared by processes, read as one table, forgotten to the byte."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from colisten.errors import WorkdirError
from colisten.evaluation.experiment.exposures import read_exposures
from colisten.serving.experiment.exposures import FILE, Exposure, ExposureLog


def exposure(user: str, request: str, *, items: tuple[str, ...] = ("a", "b"), experiment: str = "shelf") -> Exposure:
    kinds = ["book", "show"] * len(items)
    return Exposure(user, experiment, request, "fresh", 1_700_000_000, "c-1", items, kinds[: len(items)],
                    [0.9, 0.01][: len(items)])  # fmt: skip


WRITER = """
import sys
from pathlib import Path
from tests.serving.experiment.test_exposures import exposure
from colisten.serving.experiment.exposures import ExposureLog
with ExposureLog.open(Path(sys.argv[1])) as log:
    for place in range(100_000):
        with log.transaction():
            log.add([exposure(sys.argv[2], f"{place}-{one}") for one in range(3)])
        print(place, flush=True)
"""


def test_it_reads_as_a_table(tmp_path: Path) -> None:
    with ExposureLog.open(tmp_path) as log:
        for some in (
            [exposure("u", "1"), exposure("v", "2", items=()), exposure("u", "3", experiment="other")],
            [exposure("ü\0'", "4", items=("b",))], [exposure("u", "1", items=("c", "a"))],
        ):  # fmt: skip
            with log.transaction():
                log.add(some)
    found = read_exposures(tmp_path / "shelf")
    assert found is not None
    assert sorted(found.drop("at", "index", "group").collect().rows()) == [
        ("u", "a", "show", 2, "1", 0.01), ("u", "c", "book", 1, "1", 0.9), ("ü\0'", "b", "book", 1, "4", 0.9),
    ]  # fmt: skip
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_writers_that_are_killed_lose_nothing_and_tear_nothing(tmp_path: Path) -> None:
    """Two processes write at once; what each has acknowledged is there, whole transactions of three."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, user], stdout=subprocess.PIPE, text=True)
        for user in ("u", "v")
    ]
    acknowledged = []
    for writer in writers:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        said = writer.communicate()[0].split()
        acknowledged.append(int(said[-1]) if said else 19)
    with ExposureLog.open(tmp_path) as log:
        found = [row for rows in log.answers("shelf") for row in rows]
    for user, last in zip(("u", "v"), acknowledged, strict=True):
        requests = {request for owner, request, *_ in found if owner == user}
        assert requests >= {f"{place}-{one}" for place in range(last + 1) for one in range(3)}
        assert len(requests) % 3 == 0


def test_forgetting_leaves_no_byte(tmp_path: Path) -> None:
    person = "person-4711@example.org"
    with ExposureLog.open(tmp_path) as log, ExposureLog.open(tmp_path) as serving:
        for place in range(300):
            with serving.transaction():
                serving.add([exposure(f"{person}" if place % 3 == 0 else f"other-{place}", str(place % 200))])
        assert log.forget(person) > 0
        assert [path.name for path in tmp_path.iterdir() if person.encode() in path.read_bytes()] == []
        assert log.forget(person) == 0
        with serving.transaction():
            serving.add([exposure("other", "later")])
        assert len([row for rows in log.answers("shelf") for row in rows]) == 201


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"nothing of the kind, but long enough to be looked at" * 20)
    with pytest.raises(WorkdirError, match=r"exposures\.sqlite cannot be used"):
        ExposureLog.open(tmp_path)
    (tmp_path / FILE).unlink()
    with ExposureLog.open(tmp_path) as log, log.transaction():
        log.add([exposure("u", "1")])
    if os.geteuid():
        (tmp_path / FILE).chmod(0o400)
        with pytest.raises(WorkdirError), ExposureLog.open(tmp_path) as log, log.transaction():
            log.add([exposure("u", "2")])
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchall() == [(1,)]
