"""Stage `item_weights`: the strongest item–item weights as PREDICTS relationships in Neo4j, for curators."""

from __future__ import annotations

from colisten.pipeline.records import finished_at
from colisten.pipeline.stage import Context, Stage
from colisten.workdir import file_digest


def _run(context: Context) -> str:
    from colisten.graph_store.loading import load_item_weights
    from colisten.graph_store.schema import PREDICTS

    weights = context.workdir.towers / "weights.parquet"
    written = load_item_weights(weights, context.settings, context.workdir, context.progress)
    context.progress.say(f"  {written.upserted:,} {PREDICTS} edges written, {written.deleted:,} deleted")
    return file_digest(weights)


STAGE = Stage(
    "item_weights",
    "Writing item–item weights into the graph",
    depends_on=("graph", "towers"),
    settings=("neo4j.uri", "neo4j.database"),
    ignores=("neo4j.batch",),
    other_inputs=lambda context: finished_at(context.workdir, "graph"),
    run=_run,
    output_exists=lambda context: True,
    beside=True,
)
