"""Why a start failed, from what the server wrote last."""

from __future__ import annotations

import re
from pathlib import Path

from colisten.errors import ColistenError, GraphError, OutOfSpaceError
from colisten.full_disk import says_full

_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \S+\s+(?P<level>[A-Z]+)\s+(?P<text>.*)")


def why_it_failed(home: Path) -> ColistenError:
    """The error to raise for a server of `home` that did not come up."""
    lines = _log(home)
    if any(map(says_full, lines)):
        return OutOfSpaceError(f"No space is left for Neo4j in {home}: free some and run again.")
    if any("Address already in use" in line for line in lines):
        return GraphError("Another program took Neo4j's port while it started: run the command again.")
    return GraphError(f"Neo4j did not start in {home}: {_problem(lines)} (more in {home / 'logs'}).")


def needs_restart(home: Path) -> bool:
    """Whether a database of the server has closed since its start, as where a disk is full: it stays closed."""
    return any(says_full(line) or "needs to be restarted" in line for line in _log(home))


def _log(home: Path) -> list[str]:
    """What it has written since its start."""
    return [line for name in ("logs/console.log", "logs/neo4j.log") for line in _lines(home / name)]


def _lines(log: Path) -> list[str]:
    return [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []


def _problem(lines: list[str]) -> str:
    causes = [line.partition("Caused by:")[2].strip() for line in lines if line.lstrip().startswith("Caused by:")]
    stamped = {line: match for line in lines if (match := _STAMP.match(line))}
    errors = [match["text"] for match in stamped.values() if match["level"] == "ERROR"]
    by_java_itself = ": ".join([line for line in lines if line not in stamped and "JAVA_TOOL_OPTIONS" not in line][:2])
    found = [*causes[-1:], *errors[-1:], by_java_itself or "it ended without a word"]
    return found[0].rstrip(".")
