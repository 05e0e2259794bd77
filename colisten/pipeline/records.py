"""Records of finished stages, `W/stages/NAME.json`: what it was made from, and size and content of what it wrote.

A record that cannot be read counts as none: its stage runs again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from colisten.workdir import Workdir, file_digest, write_json


def read_record(workdir: Workdir, name: str) -> dict[str, Any]:
    """The record of a stage; empty where there is none that can be read."""
    try:
        found = json.loads(_path(workdir, name).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_record(workdir: Workdir, name: str, record: Mapping[str, object], files: Iterable[Path]) -> None:
    """Write a record, with the size and the digest of the `files` that the stage has written."""
    sums = {str(path.relative_to(workdir.root)): _sum(path) for path in files}
    write_json(_path(workdir, name), {**record, "files": sums})


@contextmanager
def changing(workdir: Workdir, name: str, digest: Callable[[], str] | None = None) -> Iterator[None]:
    """While the block changes what a stage has written, and after a kill in it, that is neither compared nor made anew.

    Afterwards the record is of the changed files, but for those that were damaged before. With `digest`, a function
    that gives that of the changed output, the stages behind run again, after a kill too.
    """
    before = read_record(workdir, name)
    if not before:
        yield
        return
    files: dict[str, Any] = before.get("files", {})
    sound = [path for path, written in files.items() if not _damage(workdir.root / path, written, deep=True)]
    meanwhile = {"digest": ""} if digest else {}
    write_json(_path(workdir, name), before | meanwhile | {"files": files | dict.fromkeys(sound)})
    try:
        yield
    except Exception:
        write_json(_path(workdir, name), before)
        raise
    now = {"digest": digest()} if digest else {}
    sums = {path: _sum(workdir.root / path) for path in sound}
    write_json(_path(workdir, name), before | now | {"files": files | sums})


def finished_at(workdir: Workdir, name: str) -> int | None:
    """When the stage last did its work, in seconds (UTC), for what is lost with its output even if that comes back."""
    return read_record(workdir, name).get("finished")


def damage(workdir: Workdir, record: Mapping[str, Any], *, deep: bool = False) -> Iterator[str]:
    """Files of a record that are not as they were written, in words: by size, or by content as well if `deep`."""
    for name, written in record.get("files", {}).items():
        if found := _damage(workdir.root / name, written, deep=deep):
            yield found


def drop_damaged(workdir: Workdir, name: str) -> None:
    """Remove all that a stage has written if some of it is damaged, so that the stage does not go on from it."""
    record = read_record(workdir, name)
    if any(damage(workdir, record)):
        for path in record["files"]:
            (workdir.root / path).unlink(missing_ok=True)


def all_damage(workdir: Workdir, *, deep: bool = False) -> list[str]:
    """What is not as it was written, of all stages."""
    names = sorted(path.stem for path in workdir.stages.glob("*.json"))
    return [found for name in names for found in damage(workdir, read_record(workdir, name), deep=deep)]


def _damage(path: Path, written: tuple[int, str] | None, *, deep: bool) -> str:
    if not written:
        return ""
    size, digest = written
    if not path.exists():
        return f"{path} is gone"
    if (found := path.stat().st_size) != size:
        return f"{path} has {found:,} bytes instead of {size:,}"
    return f"{path} has other contents than were written" if deep and _content(path) != digest else ""


def _sum(path: Path) -> list[object]:
    return [path.stat().st_size, _content(path)]


def _content(path: Path) -> str:
    """A digest; JSON counts by its values, which Qdrant's engine writes in another order whenever it opens."""
    if path.suffix == ".json":
        with suppress(ValueError):
            values = json.dumps(json.loads(path.read_text()), sort_keys=True)
            return hashlib.sha256(values.encode()).hexdigest()[:16]
    return file_digest(path)


def _path(workdir: Workdir, name: str) -> Path:
    return workdir.stages / f"{name}.json"
