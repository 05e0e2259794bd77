"""`colisten doctor`: health checks, and what to do where one fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from colisten.cli.options import formatted, opened, set_option, workdir_option
from colisten.cli.output import say, show

if TYPE_CHECKING:
    from colisten.cli.health.finding import Finding
    from colisten.settings import Settings
    from colisten.workdir import Workdir


@click.command()
@workdir_option
@set_option
@click.option("--deep", is_flag=True, help="Read every file that stages have written, not only its size.")
@formatted
def doctor(workdir: Path, overrides: tuple[str, ...], deep: bool, style: str | None) -> None:
    """Check machine, settings, files, Neo4j, Qdrant and data; each failure comes with a remedy.

    Nothing is started or changed. The exit code is 1 if something is bad, 0 if there are only warnings.

    \b
    colisten doctor --workdir W --table
    """
    findings = list(_findings(workdir, overrides, deep))
    show(map(asdict, findings), style)
    bad = sum(finding.state == "bad" for finding in findings)
    warned = sum(finding.state == "warn" for finding in findings)
    say(f"{bad} bad, {warned} warnings, {len(findings) - bad - warned} well.")
    sys.exit(bool(bad))


def _findings(workdir: Path, overrides: tuple[str, ...], deep: bool) -> Iterator[Finding]:
    from colisten.cli.health import machine
    from colisten.cli.health.finding import Finding, examined

    yield from examined("machine", machine.check_python)
    yield from examined("disk", lambda: machine.check_disk(workdir))
    yield from examined("training", machine.check_training)
    if not (workdir / "colisten.json").exists():
        yield Finding(
            "warn", "working folder", f"there is none in {workdir}", "`colisten run --data DIR`, or name it: --workdir"
        )
        return
    yield from examined("settings", lambda: _in_folder(*opened(workdir, overrides), deep))


def _settings(settings: Settings) -> Finding:
    from colisten.cli.health.finding import Finding

    changed = settings.model_dump(mode="json", exclude_defaults=True)
    names = [f"{key}.{name}" for key, value in changed.items() if isinstance(value, dict) for name in value]
    names += [key for key, value in changed.items() if not isinstance(value, dict)]
    return Finding("ok", "settings", f"set: {', '.join(sorted(names)) or 'nothing, all as by default'}")


def _in_folder(folder: Workdir, settings: Settings, deep: bool) -> Iterator[Finding]:
    from colisten.cli.health import data, events, files, graph, index, machine, room
    from colisten.cli.health.finding import examined

    yield _settings(settings)
    yield from examined("files", lambda: files.check_files(folder, deep=deep))
    yield from examined("devices", lambda: machine.check_devices(settings))
    yield from examined("text encoder", lambda: machine.check_encoder(settings))
    yield from examined("data", lambda: data.check_data(folder))
    yield from examined("events", lambda: events.check_events(folder, deep=deep))
    yield from examined("room", lambda: room.check_room(folder, settings))
    yield from examined("Neo4j", lambda: graph.check_neo4j(folder, settings))
    yield from examined("Qdrant", lambda: index.check_qdrant(folder, settings))
