"""The estimate of `colisten run --plan`, as rows."""

from __future__ import annotations

from colisten.cli.output import say, show
from colisten.settings import Settings
from colisten.workdir import Workdir

_MB = 1 << 20


def show_plan(folder: Workdir, settings: Settings, source: str | None, style: str | None) -> None:
    """Print what a run on this source, or on what was imported, will take.

    Raises:
        DataError: the source cannot be read.
        WorkdirError: no source is named, and nothing was imported.
    """
    from colisten.errors import WorkdirError
    from colisten.listening.data import ListeningData
    from colisten.listening.sizes import size_of, size_of_source
    from colisten.pipeline.plan import plan

    if source is not None:
        size = size_of_source(source, settings)
    elif (folder.listening / "summary.json").exists():
        size = size_of(ListeningData(folder.listening), settings)
    else:
        raise WorkdirError("There is nothing to plan for: name the listening data by --data.")
    found = plan(size, settings)
    rows: list[dict[str, object]] = [
        _row(one.stage, one.seconds, one.memory, one.disk, ", ".join(one.grows_with[:2])) for one in found.estimates
    ]
    rows.append(_row("neo4j", 0, found.neo4j, 0, "beside the others"))
    rows.append(_row("all", found.seconds, found.memory, found.disk, "memory: the peak, and Neo4j"))
    show(rows, style)
    say(f"{size.interactions:,} interactions of {size.users:,} users with {size.items:,} items; good to a factor of 2.")


def _row(stage: str, seconds: float, memory: float, disk: float, grows_with: str) -> dict[str, object]:
    return {
        "stage": stage,
        "core_minutes": round(seconds / 60, 1),
        "memory_mb": round(memory / _MB),
        "disk_mb": round(disk / _MB),
        "grows_with": grows_with,
    }
