"""Resumable stages: what is up to date is skipped, what was killed runs again.

Each finished stage leaves `W/stages/NAME.json` with a fingerprint of its inputs (settings, the outputs of the stages it
depends on, Colisten's version) and a digest of its output. Later stages look at that digest, so that work which ended
in the same output as before is where rebuilding stops.

A stage with a cadence (`settings.cadence`) lets new data wait until it is due again; new settings never wait.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from colisten.errors import WorkdirError
from colisten.full_disk import told_when_full
from colisten.pipeline.records import damage, read_record, write_record
from colisten.progress import Progress
from colisten.settings import Settings, keys
from colisten.workdir import Workdir, remove_drafts, remove_scratch


@dataclass(frozen=True)
class Context:
    """What every stage is given."""

    workdir: Workdir
    settings: Settings
    progress: Progress
    source: str
    """Where the listening data lies: a folder or an object-store prefix; empty: what was read before."""
    replace: bool = False
    """Remove the graph of another catalogue from the database first."""


def _nothing(_: Context) -> object:
    return None


def _no_files(_: Context) -> Iterable[Path]:
    return ()


def files_in(*names: str) -> Callable[[Context], Iterable[Path]]:
    """Files of the working folder, by their paths below it; `folder/*` is all in one that is there."""
    return lambda context: sorted(
        path for name in names for path in context.workdir.root.glob(name) if path.is_file() and path.name[0] != "."
    )


@dataclass(frozen=True)
class Stage:
    """One step from listening data to a published index."""

    name: str
    title: str
    depends_on: tuple[str, ...]
    """Stages whose output this one reads."""
    settings: tuple[str, ...]
    """Every setting that its output depends on, by key; `section.*` is a whole section (see `matching`)."""
    run: Callable[[Context], str]
    """Do the work, whole or not at all, and return a digest of the output."""
    output_exists: Callable[[Context], bool]
    """Is the output of an earlier run still there?"""
    files: Callable[[Context], Iterable[Path]] = _no_files
    """What it has written: damaged files are made anew."""
    other_inputs: Callable[[Context], object] = _nothing
    """What else its output depends on, as JSON-able values: files outside, versions of a layout."""
    ignores: tuple[str, ...] = ()
    """Settings that it reads but that do not change its output: memory, threads, where a server is."""
    beside: bool = False
    """It waits for another program most of its time: it runs beside the stages after it, which do not depend on it."""

    def inputs(self, settings: Settings) -> dict[str, object]:
        """The values of the settings that its output depends on, by key."""
        chosen = matching(self.settings) - matching(self.ignores)
        return {key: _value(settings, key) for key in sorted(chosen)}


def matching(patterns: Iterable[str]) -> set[str]:
    """The keys of settings that any of the patterns names; `section.*` names a whole section."""
    return {key for pattern in patterns for key in fnmatch.filter(keys(), pattern)}


def _value(settings: Settings, key: str) -> object:
    section, dot, name = key.partition(".")
    return getattr(getattr(settings, section), name) if dot else getattr(settings, section)


def run_stages(stages: Sequence[Stage], context: Context, *, force: frozenset[str] = frozenset()) -> list[str]:
    """Run what is not up to date, in order; returns the names of the stages that ran.

    All have ended when it returns or raises, those that run `beside` others too. The settings that this was done with
    are kept in the working folder for later commands.

    Raises:
        WorkdirError: a stage was asked for before the ones it depends on, or another process is at work here.
        OutOfSpaceError: the disk is full.
    """
    ran, beside = [], []
    with exclusive(context.workdir), ThreadPoolExecutor(1) as pool:
        for stage in stages:
            fingerprints = _fingerprints(stage, context)
            skip_reason = "" if stage.name in force else _skip_reason(stage, context, fingerprints)
            if skip_reason:
                context.progress.say(f"{stage.title}: {skip_reason}")
                continue
            ran.append(stage.name)
            if stage.beside:
                beside.append(pool.submit(_run_stage, stage, context, fingerprints))
            else:
                _run_stage(stage, context, fingerprints)
        for running in beside:
            running.result()
        context.workdir.keep_settings(context.settings.to_keep())
    return ran


def _run_stage(stage: Stage, context: Context, fingerprints: Mapping[str, str]) -> None:
    """Run it and write its record."""
    context.progress.say(f"{stage.title} …")
    began = time.monotonic()
    with told_when_full(context.workdir.root):
        digest = stage.run(context)
        seconds = round(time.monotonic() - began, 1)
        record = {**fingerprints, "digest": digest, "seconds": seconds, "finished": round(time.time())}
        write_record(context.workdir, stage.name, record, stage.files(context))
    context.progress.say(f"{stage.title}: done in {seconds} s")


def digest_of(*parts: object) -> str:
    """A short hash of JSON-able values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()[:16]


def _skip_reason(stage: Stage, context: Context, fingerprints: Mapping[str, str]) -> str:
    """Why the output of an earlier run may stay, in words; empty if it may not."""
    record = read_record(context.workdir, stage.name)
    if any(damage(context.workdir, record)):
        return ""
    if record.get("fingerprint") == fingerprints["fingerprint"]:
        return "up to date" if stage.output_exists(context) else ""
    due = context.settings.cadence.next_day(stage.name, _day(record.get("finished", 0)))
    waits = _day(time.time()) < due and record.get("own") == fingerprints["own"]
    return f"next on {due}, until then as it is" if waits and stage.output_exists(context) else ""


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _fingerprints(stage: Stage, context: Context) -> dict[str, str]:
    """`own`: of all inputs but the outputs of earlier stages; `fingerprint`: of those too."""
    earlier = [read_record(context.workdir, name).get("digest") for name in stage.depends_on]
    missing = [name for name, digest in zip(stage.depends_on, earlier, strict=True) if digest is None]
    if missing:
        raise WorkdirError(f"{stage.title} needs {' and '.join(missing)} first: `colisten run` does all in order.")
    own = own_digest(stage, context)
    return {"own": own, "fingerprint": digest_of(own, earlier)}


def own_digest(stage: Stage, context: Context) -> str:
    """Of all inputs of a stage but the outputs of earlier ones."""
    return digest_of(version("colisten"), stage.name, stage.inputs(context.settings), stage.other_inputs(context))


@contextmanager
def exclusive(workdir: Workdir) -> Iterator[None]:
    """Hold the lock of a working folder: no other process builds in it while the block runs.

    Raises:
        WorkdirError: another process holds it.
    """
    try:
        with FileLock(workdir.root / ".lock", timeout=0):
            graph = (workdir.edges, workdir.co_listened)
            rooms = (*graph, workdir.features, workdir.gnn, workdir.towers, workdir.stages, workdir.tune)
            logs = workdir.experiments.glob("*/exposures")
            remove_scratch()
            for room in (workdir.root, *rooms, *logs, *workdir.suite.glob("**/")):
                remove_drafts(room)
            yield
    except Timeout:
        raise WorkdirError(f"Another process is building in {workdir.root}: wait for it or stop it.") from None
