"""Stages with memory: a stage whose inputs did not change is skipped, a killed one runs again.

Each finished stage leaves `W/stages/NAME.json` with a fingerprint of what it was made from (settings, the outputs of
earlier stages, Colisten's version) and a digest of what it made. Later stages look at that digest, so that work which
ended in the same result as before is where rebuilding stops.

A stage with a cadence (`settings.cadence`) lets new data wait until it is due again; new settings never wait.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from typing import Any

from filelock import FileLock, Timeout

from colisten.errors import WorkdirError
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir, remove_drafts, write_json


@dataclass(frozen=True)
class Context:
    """What every stage is given."""

    workdir: Workdir
    settings: Settings
    progress: Progress
    source: str
    """Where the listening data lies: a folder or an object-store prefix."""
    replace: bool = False
    """Remove the graph of another catalogue from the database first."""


@dataclass(frozen=True)
class Stage:
    """One step from listening data to a published index."""

    name: str
    title: str
    after: tuple[str, ...]
    """Stages whose output this one is made from."""
    inputs: Callable[[Context], object]
    """What else it depends on, as JSON-able values: settings, versions, files outside."""
    make: Callable[[Context], str]
    """Do the work, whole or not at all, and return a digest of the result."""
    standing: Callable[[Context], bool]
    """Is the result of an earlier run still there?"""


def run_stages(stages: Sequence[Stage], context: Context, *, force: frozenset[str] = frozenset()) -> list[str]:
    """Run what is not up to date, in order; returns the names of the stages that ran.

    The settings that this was done with are kept in the working folder for later commands.

    Raises:
        WorkdirError: a stage was asked for before the ones it is made from, or another process is at work here.
    """
    ran = []
    with alone(context.workdir):
        for stage in stages:
            made_from = _made_from(stage, context)
            may_stay = "" if stage.name in force else _why_it_stays(stage, context, made_from)
            if may_stay:
                context.progress.say(f"{stage.title}: {may_stay}")
                continue
            context.progress.say(f"{stage.title} …")
            began = time.monotonic()
            digest = stage.make(context)
            seconds = round(time.monotonic() - began, 1)
            kept = {**made_from, "digest": digest, "seconds": seconds, "finished": round(time.time())}
            write_json(context.workdir.stages / f"{stage.name}.json", kept)
            context.progress.say(f"{stage.title}: done in {seconds} s")
            ran.append(stage.name)
        write_json(context.workdir.settings, context.settings.to_keep())
    return ran


def digest_of(*parts: object) -> str:
    """A short hash of JSON-able values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()[:16]


def _why_it_stays(stage: Stage, context: Context, made_from: Mapping[str, str]) -> str:
    """Why what an earlier run made may stay, in words; empty if it may not."""
    record = _record(context.workdir, stage.name)
    if record.get("fingerprint") == made_from["fingerprint"]:
        return "up to date" if stage.standing(context) else ""
    due = context.settings.cadence.next_day(stage.name, _day(record.get("finished", 0)))
    waits = _day(time.time()) < due and record.get("own") == made_from["own"]
    return f"next on {due}, until then as it is" if waits and stage.standing(context) else ""


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _made_from(stage: Stage, context: Context) -> dict[str, str]:
    """`own`: what it depends on beside earlier stages; `fingerprint`: that and their outputs."""
    earlier = [_record(context.workdir, name).get("digest") for name in stage.after]
    missing = [name for name, digest in zip(stage.after, earlier, strict=True) if digest is None]
    if missing:
        raise WorkdirError(f"{stage.title} needs {' and '.join(missing)} first: `colisten run` does all in order.")
    own = digest_of(version("colisten"), stage.name, stage.inputs(context))
    return {"own": own, "fingerprint": digest_of(own, earlier)}


def _record(workdir: Workdir, name: str) -> dict[str, Any]:
    path = workdir.stages / f"{name}.json"
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def finished(workdir: Workdir, name: str) -> int | None:
    """When the stage last did its work, in seconds (UTC), for what is lost with its result even if that comes back."""
    return _record(workdir, name).get("finished")


def restate(workdir: Workdir, name: str, digest: str) -> None:
    """Say that what a stage made is another thing now, so that the stages behind it run again."""
    record = _record(workdir, name)
    if record:
        write_json(workdir.stages / f"{name}.json", record | {"digest": digest})


@contextmanager
def alone(workdir: Workdir) -> Iterator[None]:
    """Nobody else builds in the folder while the block runs.

    Raises:
        WorkdirError: somebody does.
    """
    try:
        with FileLock(workdir.root / ".lock", timeout=0):
            for room in (workdir.root, workdir.edges, workdir.features, workdir.gnn, workdir.stages):
                remove_drafts(room)
            yield
    except Timeout:
        raise WorkdirError(f"Another process is building in {workdir.root}: wait for it or stop it.") from None
