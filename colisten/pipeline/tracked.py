"""The tracker of a stage, where settings ask for one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from colisten.pipeline.stage import Context

if TYPE_CHECKING:
    from colisten.tracking import Tracker


def tracker_of(context: Context, stage: str) -> Tracker | None:
    """A new tracked run of a stage, with all settings but secrets and addresses; None where nothing is tracked."""
    kind = context.settings.tracking
    if kind == "none":
        return None
    from colisten.tracking import Tracker, flat, open_logger

    tracker = Tracker(partial(open_logger, kind, context.workdir.tracking, stage), context.progress)
    tracker.log_hyperparams(flat(context.settings.without_secrets()))
    return tracker
