"""Records of finished stages, `W/stages/NAME.json`: what it was made from, and size and content of what it wrote.

A record that cannot be read counts as none: its stage runs again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
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
    sums = {str(path.relative_to(workdir.root)): [path.stat().st_size, _content(path)] for path in files}
    write_json(_path(workdir, name), {**record, "files": sums})


def update_record(workdir: Workdir, name: str, **changes: object) -> None:
    """Record that the output of a stage has changed, so that the stages behind it run again."""
    record = read_record(workdir, name)
    if record:
        files = [workdir.root / path for path in record.get("files", {})]
        write_record(workdir, name, record | changes, [path for path in files if path.exists()])


def finished_at(workdir: Workdir, name: str) -> int | None:
    """When the stage last did its work, in seconds (UTC), for what is lost with its output even if that comes back."""
    return read_record(workdir, name).get("finished")


def damage(workdir: Workdir, record: Mapping[str, Any], *, deep: bool = False) -> Iterator[str]:
    """Files of a record that are not as they were written, in words: by size, or by content as well if `deep`."""
    for name, (size, digest) in record.get("files", {}).items():
        path = workdir.root / name
        if not path.exists():
            yield f"{path} is gone"
        elif (found := path.stat().st_size) != size:
            yield f"{path} has {found:,} bytes instead of {size:,}"
        elif deep and _content(path) != digest:
            yield f"{path} has other contents than were written"


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


def _content(path: Path) -> str:
    """A digest; JSON counts by its values, which Qdrant's engine writes in another order whenever it opens."""
    if path.suffix == ".json":
        with suppress(ValueError):
            values = json.dumps(json.loads(path.read_text()), sort_keys=True)
            return hashlib.sha256(values.encode()).hexdigest()[:16]
    return file_digest(path)


def _path(workdir: Workdir, name: str) -> Path:
    return workdir.stages / f"{name}.json"
