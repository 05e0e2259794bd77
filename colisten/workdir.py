"""The working folder: where each room keeps what it made, and how files come to be there whole.

W/colisten.json      format number: a folder of another version is refused, never half-read
W/settings.json      the settings of the last run, without secrets (a copy in W/stages/)
W/listening/         checked interactions, items, users, relations; rejected rows
W/edges/             the edges of all relations as Parquet, and in co_listened/ those of co-listening
W/neo4j/             the managed server: data, logs, password (0600)
W/features/          text vectors, cached by content
W/gnn/  W/towers/    models (safetensors, JSON) and item vectors
W/index/             the embedded vector index, one folder per published collection
W/suite/             what `evaluate --suite` has trained and judged
W/experiments/       A/B tests: their groups and answers, and what each was shown
W/tune/              what `tune` has tried
W/profiles.sqlite    what is known of each listener
W/rules.sqlite       what may not be shown, and what is raised, as set while answers are given
W/events.sqlite      what happened since: posted events, durable
W/stages/            one JSON per finished stage: the fingerprint of what it was made from
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Self

from colisten.errors import WorkdirError
from colisten.full_disk import is_full, told_when_full

_OURS, _OLD = ".colisten-", ".old"
"""What hidden names begin with, beside files of others too, and what that of a folder ends with that stepped aside."""
FORMAT = 3
"""Raised whenever the layout changes so that an older or newer Colisten would misread it."""


@dataclass(frozen=True)
class Workdir:
    """A working folder that has been checked to be ours and of this format."""

    root: Path

    @classmethod
    def open(cls, root: Path, *, create: bool = False) -> Self:
        """Check the folder's stamp, or write one into a new or empty folder if `create`.

        Raises:
            WorkdirError: missing, not a Colisten folder, or written by another version.
        """
        stamp = root / "colisten.json"
        if stamp.exists():
            if create and _format(stamp) is None:
                write_json(stamp, {"format": FORMAT})  # what was written by another version is made anew in any case
            _check_format(stamp)
            return cls(root)
        if not create:
            raise WorkdirError(
                f"{root} is not a Colisten working folder: run `colisten run --data DIR --workdir {quote(str(root))}` "
                "first."
            )
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise WorkdirError(f"{root} exists and is not a Colisten working folder: name an empty or new folder.")
        root.mkdir(parents=True, exist_ok=True)
        write_json(stamp, {"format": FORMAT})
        return cls(root)

    @property
    def listening(self) -> Path:
        return self.root / "listening"

    @property
    def edges(self) -> Path:
        return self.root / "edges"

    @property
    def co_listened(self) -> Path:
        """Edges of co-listening alone."""
        return self.edges / "co_listened"

    @property
    def neo4j(self) -> Path:
        return self.root / "neo4j"

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def gnn(self) -> Path:
        return self.root / "gnn"

    @property
    def towers(self) -> Path:
        return self.root / "towers"

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def profiles(self) -> Path:
        return self.root / "profiles.sqlite"

    @property
    def rules(self) -> Path:
        return self.root / "rules.sqlite"

    @property
    def events(self) -> Path:
        return self.root / "events.sqlite"

    @property
    def experiments(self) -> Path:
        return self.root / "experiments"

    @property
    def stages(self) -> Path:
        return self.root / "stages"

    @property
    def suite(self) -> Path:
        return self.root / "suite"

    @property
    def tracking(self) -> Path:
        return self.root / "tracking"

    @property
    def tune(self) -> Path:
        return self.root / "tune"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    def keep_settings(self, values: Mapping[str, object]) -> None:
        """Write the settings for later commands, twice: nothing else could tell them again."""
        write_json(self.settings, values)
        write_json(self.stages / self.settings.name, values)


def _check_format(stamp: Path) -> None:
    found = _format(stamp)
    if found is None:
        raise WorkdirError(f"{stamp} is damaged: `colisten run` into this folder writes it anew.")
    if found != FORMAT:
        raise WorkdirError(
            f"{stamp.parent} was made by another version of Colisten (format {found}; this one writes {FORMAT}): "
            "`colisten run` into a new --workdir, or use the version that made it."
        )


def _format(stamp: Path) -> int | None:
    """The format that a stamp names; None where it cannot be read."""
    try:
        return int(json.loads(stamp.read_text())["format"])
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it takes its place in one step, on error it vanishes.

    What killed processes left of earlier ones is removed.

    Raises:
        OutOfSpaceError: the disk is full.
        WorkdirError: there can be no file of this name, or there is a folder, a device or a pipe.
    """
    if path.exists() and not path.is_file():
        raise WorkdirError(f"{path} is no regular file, so it is not replaced: name another file.")

    def made() -> Path:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{_OURS}{path.name}.")
        os.close(handle)
        return Path(name)

    with told_when_full(), _new_draft(path, made) as draft:
        try:
            yield draft
            draft.chmod(0o600)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, mark: str | None = None) -> Iterator[Path]:
    """Like `replacing_file`, for a folder that is written whole.

    `mark`: a name that every folder made so holds; one that holds other things is somebody's, and stays.

    The old folder steps aside under a hidden name; a kill between the two renames is repaired by the next call, or
    by `remove_drafts`.

    Raises:
        OutOfSpaceError: the disk is full.
        WorkdirError: there can be no folder of this name, or there is something else.
    """
    if path.exists() and not path.is_dir():
        raise WorkdirError(f"{path} is no folder, so it is not replaced: name another one.")
    if mark and path.exists() and any(path.iterdir()) and not (path / mark).exists():
        raise WorkdirError(f"{path} holds other things, which would be lost: name a new or an empty folder.")
    old = path.with_name(f"{_OURS}{path.name}{_OLD}")
    with draft_folder(path.parent, path.name) as draft:
        yield draft
        if path.exists():
            path.replace(old)
        draft.replace(path)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def draft_folder(parent: Path, name: str) -> Iterator[Path]:
    """A hidden folder in `parent` for the time of the block, which nobody else may read.

    What killed processes left of earlier ones of this name is removed.

    Raises:
        OutOfSpaceError: the disk is full.
        WorkdirError: there can be no folder of this name.
    """
    prefix = f"{_OURS}{name}."
    with (
        told_when_full(),
        _new_draft(parent / name, lambda: Path(tempfile.mkdtemp(dir=parent, prefix=prefix))) as draft,
    ):
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A draft folder outside any working folder; what killed commands left there is removed first.

    Raises:
        WorkdirError: somebody else made a folder of its parent's name.
    """
    parent = _scratch()
    parent.mkdir(mode=0o700, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise WorkdirError(f"{parent} is not a folder of yours alone: remove it, or set TMPDIR to another folder.")
    with draft_folder(parent, "scratch") as folder:
        yield folder


def remove_scratch() -> None:
    """Remove what killed commands left outside working folders."""
    if _scratch().is_dir():
        remove_drafts(_scratch())


def _scratch() -> Path:
    return Path(tempfile.gettempdir()) / f"colisten-{os.getuid()}"


def remove_drafts(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left in `folder`: drafts that nobody writes any more, and folders stepped aside.

    `name`: only of the file or folder of this name.
    """
    begin = _OURS + ("*" if name is None else glob.escape(name))
    for old in folder.glob(f"{begin}{_OLD}"):
        _put_back(old)
    for draft in folder.glob(f"{begin}.????????"):
        with suppress(BlockingIOError, FileNotFoundError), _in_use(draft):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()


def _put_back(old: Path) -> None:
    """Let a folder that stepped aside take its place again, or remove it where another one has taken that."""
    path = old.with_name(old.name.removeprefix(_OURS).removesuffix(_OLD))
    if old.exists() and not path.exists():
        old.replace(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _new_draft(path: Path, make: Callable[[], Path]) -> Iterator[Path]:
    """A new draft for `path`, in use; what killed processes left of earlier ones is removed.

    One that another process took for a dead one's, before it was in use, is made again.
    """
    with ExitStack() as using:
        while True:
            with _told_when_impossible(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                remove_drafts(path.parent, path.name)
                draft = make()
            with suppress(BlockingIOError, FileNotFoundError):
                using.enter_context(_in_use(draft))
                if draft.exists():
                    break
        yield draft


@contextmanager
def _told_when_impossible(path: Path) -> Iterator[None]:
    """Names that are too long, folders that are files, file systems that take no files."""
    try:
        yield
    except OSError as error:
        if isinstance(error, PermissionError) or is_full(error):
            raise
        raise WorkdirError(f"{path} cannot be written ({error.strerror}): name another place.") from error


@contextmanager
def _in_use(draft: Path) -> Iterator[None]:
    """Hold the lock of a draft, which the system takes from a process that is killed.

    Raises:
        BlockingIOError: another process holds it.
    """
    handle = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def file_digest(*paths: Path) -> str:
    """A short hash of the contents of files, in the order given."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON so that a reader sees the old file or the new one, never a part."""
    with replacing_file(path) as draft:
        draft.write_text(json.dumps(value, indent=1) + "\n")
