"""The Python API: what the commands do, as functions. `import colisten` gives all of them and imports none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.progress import Progress
from colisten.settings import Settings, as_word
from colisten.workdir import Workdir

if TYPE_CHECKING:
    from neo4j import Driver

    from colisten.evaluation.report import Report
    from colisten.serving.events.intake import TakenIn
    from colisten.serving.recommending import Recommender

Given = Mapping[str, object]
"""Settings by key, as in `{"target": "audiobook", "signals.weak": ["follow", "preview"]}`."""
_NONE: Given = {}


def run(
    data: str | Path | None, workdir: str | Path, settings: Given = _NONE, *, progress: Progress | None = None
) -> list[str]:
    """Do what `colisten run` does; returns the names of the stages that were not up to date.

    Args:
        data: folder or object-store prefix of listening data; None: what was given before, with the events since.
        workdir: where everything is kept; made where missing. Settings are kept with it too.
        settings: what to change.
        progress: where to report to; None: nowhere.

    Raises:
        ColistenError: one of `colisten.errors`, in one sentence.
    """
    from colisten.pipeline.stage import Context
    from colisten.pipeline.stages import run_all

    folder, chosen = open_workdir(workdir, settings, create=data is not None)
    source = "" if data is None else str(data)
    return run_all(Context(folder, chosen, progress or Progress(quiet=True), source))


def recommender(workdir: str | Path, settings: Given = _NONE) -> Recommender:
    """What `recommend`, `similar` and `search` answer from; open it once and keep it.

    Raises:
        IndexStoreError: nothing is published, or Qdrant cannot be used.
        WorkdirError: it is no working folder.
    """
    from colisten.serving.recommending import Recommender

    return Recommender.open(*open_workdir(workdir, settings))


def add_events(workdir: str | Path, events: Iterable[Mapping[str, object]], settings: Given = _NONE) -> TakenIn:
    """Take in what users did, as `POST /events` does: the next answer knows it, and the next run learns from it.

    Args:
        workdir: whose log of events; made there where missing.
        events: each with `user_id`, `item_id`, `signal` and, if known, `timestamp` (seconds or a time), `value` and
            `event_id`. What comes twice counts once.
        settings: which signals count, say, before any run.

    Returns:
        How many are kept, and the rows that were refused, with reasons.

    Raises:
        WorkdirError: it is no working folder, or the log is damaged.
        OutOfSpaceError: the disk is full; nothing of it was kept.
    """
    from colisten.serving.events.intake import EventIntake

    folder, chosen = open_workdir(workdir, settings)
    with EventIntake.open(folder, chosen.signals.used) as intake, intake.transaction():
        return intake.rows(list(events))


def evaluate(
    workdir: str | Path, split: str | Path, baselines: Sequence[str] = (), *, k: int = 10, settings: Given = _NONE
) -> list[Report]:
    """Judge the live index and `baselines` by what `split` holds back: one report per item type.

    Raises:
        DataError: the split cannot be read, or the working folder has learned from what it hides.
    """
    from colisten.evaluation.run import evaluate_workdir

    return evaluate_workdir(
        *open_workdir(workdir, settings), Path(split), baselines, k=k, progress=Progress(quiet=True)
    )


def graph(workdir: str | Path, settings: Given = _NONE) -> Driver:
    """A driver of the official kind to the Neo4j of this folder, which is started if need be.

    Raises:
        GraphError: Neo4j cannot be reached or started.
    """
    from colisten.graph_store.connection import open_driver

    folder, chosen = open_workdir(workdir, settings)
    return open_driver(chosen, folder, Progress(quiet=True))


def open_workdir(workdir: str | Path, settings: Given = _NONE, *, create: bool = False) -> tuple[Workdir, Settings]:
    """The working folder and the settings that hold for it, for the functions of the rooms.

    Raises:
        WorkdirError: it is no working folder, and is not to become one.
        SettingsError: an unknown key, or a value that cannot be.
    """
    folder = Workdir.open(Path(workdir), create=create)
    return folder, Settings.load([f"{key}={_word(value)}" for key, value in settings.items()], kept=folder.settings)


def _word(value: object) -> object:
    return as_word(value) if isinstance(value, list | tuple) else value
