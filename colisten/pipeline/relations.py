"""Stage `relations`: the edges of all relations in one file: those of co-listening, and what the catalogue tells."""

from __future__ import annotations

from colisten.listening.data import ListeningData
from colisten.pipeline.stage import Context, Stage, files_in
from colisten.workdir import file_digest

_LISTED = 10
"""Edge types listed one by one."""


def _run(context: Context) -> str:
    from colisten.graph_store.edge_summary import FILE
    from colisten.graph_store.relations.edges import add_relations
    from colisten.text.encoding import load_text

    data, text = ListeningData(context.workdir.listening), load_text(context.workdir.features)
    relations, say = context.settings.graph.relations, context.progress.say
    folder = context.workdir.edges
    summary = add_relations(context.workdir.co_listened / FILE, data, text, relations, folder, context.progress)
    ranked = sorted(summary.edges.items(), key=lambda entry: -entry[1])
    for edge_type, count in ranked[:_LISTED]:
        say(f"  {edge_type.src} – {edge_type.dst}, {edge_type.relation}: {count:,} edges")
    if rest := ranked[_LISTED:]:
        say(f"  {len(rest)} further edge types: {sum(count for _, count in rest):,} edges")
    say(f"  {sum(summary.isolated.values()):,} of {sum(summary.items.values()):,} items have no edge")
    return file_digest(folder / FILE)


STAGE = Stage(
    "relations",
    "Relating items",
    depends_on=("listening", "edges", "text"),
    settings=("graph.relations",),
    run=_run,
    files=files_in("edges/edges.parquet"),
    output_exists=lambda context: (context.workdir.edges / "edges.parquet").exists(),
)
