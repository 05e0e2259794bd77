"""`colisten forget`: erase a user from everything that the working folder holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from colisten.cli.options import formatted, opened, workdir_option
from colisten.cli.output import say, show
from colisten.workdir import Workdir

_LEFT = (
    "Not touched: the source files (remove {user!r} from them too, or the next import brings them back), backups, and "
    "files that were written elsewhere (answers of recommend --out, splits, reports). Edges, models and item vectors "
    "hold no user, but were learned from this one too: the next `colisten run` learns them anew from what is left."
)


@click.command()
@click.argument("user")
@workdir_option
@formatted
def forget(user: str, workdir: Path, style: str | None) -> None:
    """Remove USER from the data, the profiles, the events, the rules, the logs of experiments; print what was removed.

    The graph and the index hold items only. Files are written anew without the user, and what a disk keeps of the old
    ones is up to the disk. What killed commands left, here or in the system's temporary folder, goes too. Whoever is
    answering meanwhile goes on.

    \b
    colisten forget u17 --workdir W
    """
    from colisten.pipeline.stage import exclusive

    folder, _ = opened(workdir)
    with exclusive(folder):
        removed = _removed(folder, user)
    show([{"where": where, "rows": rows} for where, rows in removed.items() if rows], style)
    if not any(removed.values()):
        say(f"Nothing was known of {user!r}.")
    say(_LEFT.format(user=user))


def _removed(folder: Workdir, user: str) -> dict[str, int]:
    """Rows removed by place, as far as the folder has such files."""
    from colisten.evaluation.experiment.exposures import forget_exposures
    from colisten.listening.events.store import EventStore
    from colisten.pipeline.records import changing
    from colisten.serving.experiment.exposures import FILE, ExposureLog
    from colisten.serving.profile_writing import forget_profile
    from colisten.serving.rules.store import RuleStore

    removed = _from_suite(folder, user)
    if store := EventStore.open(folder.events):  # first: a run would take them in again
        with store:
            removed["events.sqlite"] = store.forget(user)
    removed |= _from_listening(folder, user)
    if folder.profiles.exists():
        with changing(folder, "profiles"):
            removed["profiles.sqlite"] = int(forget_profile(folder.profiles, user))
    if folder.rules.exists():
        removed["rules.sqlite"] = RuleStore(folder.rules).forget(user)
    for experiment in sorted(folder.experiments.glob("*/")):
        removed[f"experiments/{experiment.name}"] = forget_exposures(experiment, user)
    if (folder.experiments / FILE).exists():
        with ExposureLog.open(folder.experiments) as log:
            removed[f"experiments/{FILE}"] = log.forget(user)
    return removed


def _from_suite(folder: Workdir, user: str) -> dict[str, int]:
    """Remove the whole suite if it was measured on this user too: it can be computed again."""
    files = [path for path in folder.suite.rglob("*") if path.is_file()]
    name = json.dumps(user).encode()
    named = any(name in path.read_bytes() for path in files if path.suffix == ".json")
    if not files or not (named or _is_known(folder, user)):
        return {}
    shutil.rmtree(folder.suite)
    return {"suite": len(files)}


def _is_known(folder: Workdir, user: str) -> bool:
    from colisten.listening.data import ListeningData

    return (folder.listening / "summary.json").exists() and user in ListeningData(folder.listening).users["user_id"]


def _from_listening(folder: Workdir, user: str) -> dict[str, int]:
    from colisten.listening.data import ListeningData
    from colisten.listening.forgetting import forget_user
    from colisten.pipeline.records import changing

    if not (folder.listening / "summary.json").exists():
        return {}
    with changing(folder, "listening", lambda: ListeningData(folder.listening).digest()):
        removed = forget_user(folder.listening, user)
    return {f"listening/{name}.parquet": rows for name, rows in removed.items()}
