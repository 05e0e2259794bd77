"""`colisten events`: what happened since the last run."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from colisten.cli.options import formatted, opened, workdir_option
from colisten.cli.output import say, show


@click.group()
def events() -> None:
    """Take in what users did; the next answer knows it, and the next `colisten run` learns from it."""


@events.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@workdir_option
@formatted
def add(file: Path, workdir: Path, style: str | None) -> None:
    """Take in the events of FILE (CSV, Parquet, or .jsonl with one a line), as `POST /events` of `colisten serve` does.

    An event has user_id, item_id and signal; timestamp (now, where there is none), value and event_id are optional.
    The same event_id counts once, and so do one user, item, signal and second: a command that was killed is repeated.

    \b
    colisten events add today.csv --workdir W
    """
    from colisten.listening.events.files import events_in
    from colisten.serving.events.intake import EventIntake

    folder, settings = opened(workdir)
    counts: Counter[str] = Counter(accepted=0, duplicates=0, unknown_items=0, refused=0)
    reasons: dict[str, list[int]] = {}
    with EventIntake.open(folder, settings.signals.used) as intake:
        for some, refused in events_in(file, intake.signals, settings.listening):
            with intake.transaction():
                taken = intake.events(some, refused)
            counts.update(
                accepted=taken.accepted, duplicates=taken.duplicates, unknown_items=taken.unknown_items,
                refused=len(refused),
            )  # fmt: skip
            for row, reason in refused:
                reasons.setdefault(reason, []).append(row)
    show([dict(counts)], style)
    for reason, rows in reasons.items():
        say(f"Refused {len(rows):,} rows: {reason} (row {rows[0]:,}, say).")


@events.command(name="show")
@workdir_option
@formatted
def show_(workdir: Path, style: str | None) -> None:
    """Print how much the log of events holds, and how much of it the data of the last run has.

    \b
    colisten events show --workdir W
    """
    from colisten.listening.events.store import EventCounts, EventStore

    folder, _ = opened(workdir)
    counts = EventCounts(0, 0, 0, 0, 0)
    if store := EventStore.open(folder.events):
        with store:
            counts = store.counts()
    show([asdict(counts) | _of_last_run(folder.listening)], style)


def _of_last_run(listening: Path) -> dict[str, int]:
    from colisten.listening.data import ListeningData

    if not (listening / "summary.json").exists():
        return {}
    found = ListeningData(listening).summary.get("events", {})
    return {name: found[name] for name in ("taken", "wait") if name in found}
