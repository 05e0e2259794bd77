"""All stages, in the order in which data flows through them."""

from __future__ import annotations

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
NO_STAGE = ("recipe", "cadence.*", "neo4j.user", "neo4j.password", "qdrant.api_key", "serve.*", "evaluation.*")
"""Settings that no stage reads for its output: where the others start from, when stages run, credentials, serving."""
