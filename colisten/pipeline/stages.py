"""All stages, in the order in which data flows through them."""

from __future__ import annotations

import time

from colisten.listening.events.store import EventStore
from colisten.pipeline import (
    edges,
    embed,
    gnn,
    graph,
    index,
    item_weights,
    listening,
    profiles,
    relations,
    text,
    towers,
)
from colisten.pipeline.stage import Context, run_stages
from colisten.serving.profiles import Profiles

STAGES = (
    listening.STAGE,
    edges.STAGE,
    text.STAGE,
    relations.STAGE,
    graph.STAGE,
    gnn.STAGE,
    embed.STAGE,
    towers.STAGE,
    item_weights.STAGE,
    profiles.STAGE,
    index.STAGE,
)
NO_STAGE = (
    "recipe", "cadence.*", "neo4j.user", "neo4j.password", "qdrant.api_key", "serve.*", "evaluation.*", "events.*",
)  # fmt: skip
"""Settings that no stage reads for its output: where the others start from, when stages run, credentials, serving."""
_SECONDS_A_DAY = 86_400


def run_all(context: Context) -> list[str]:
    """Run all stages that are not up to date, then drop old events that they have taken in (`events.keep_days`).

    Returns:
        The names of the stages that ran.

    Raises:
        ColistenError: see `run_stages`.
    """
    ran = run_stages(STAGES, context)
    days, store = context.settings.events.keep_days, EventStore.open(context.workdir.events)
    if store and days is not None:
        with store, Profiles.open(context.workdir.profiles) as profiles:
            since, facts = int(time.time()) - days * _SECONDS_A_DAY, profiles.facts
            dropped = store.drop_before(since, facts.events, facts.signals, context.workdir.profiles)
        context.progress.say(f"Dropped {dropped:,} events of more than {days} days ago, which the data has now.")
    return ran
