"""Stage `embed`: an embedding of every item of today's graph, by the trained graph model."""

from __future__ import annotations

from colisten.pipeline.gnn import STREAMING, live_adjacency
from colisten.pipeline.stage import Context, Stage, files_in
from colisten.workdir import file_digest


def _run(context: Context) -> str:
    from colisten.gnn.embedding import embed_items
    from colisten.text.encoding import load_text

    folder = context.workdir.gnn
    with live_adjacency(context) as adjacency:
        embed_items(adjacency, load_text(context.workdir.features), folder, context.progress)
    return file_digest(folder / "items.safetensors")


STAGE = Stage(
    "embed",
    "Embedding every item",
    depends_on=("graph", "text", "gnn"),
    settings=("target", "gnn.node_types", "graph.relations"),
    ignores=STREAMING,
    run=_run,
    files=files_in("gnn/items.safetensors"),
    output_exists=lambda context: (context.workdir.gnn / "items.safetensors").exists(),
)
