"""The stages from listening data to a published index, each a few lines that call its room."""

from __future__ import annotations

import hashlib
from pathlib import Path

from colisten.listening.data import ListeningData
from colisten.serving.cli.stages import Context, Stage, digest_of


def file_digest(*paths: Path) -> str:
    """A short hash of the contents of files, in the order given."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


def listening_of(context: Context) -> ListeningData:
    """The checked data of this working folder."""
    return ListeningData(context.workdir.listening)


# --- listening -------------------------------------------------------------------------------------------------------


def _source_state(context: Context) -> object:
    from colisten.listening.files import Source

    source = Source.open(context.source)
    files = [path for table in ("interactions", "items", "users") for path in source.files(table)]
    settings = context.settings
    return [[(path, source.system.ukey(path)) for path in files], settings.target, settings.taste, settings.signals]


def _import(context: Context) -> str:
    from colisten.listening.importing import import_data

    data = import_data(context.source, context.workdir.listening, context.settings, context.progress)
    return file_digest(data.interactions, data.root / "items.parquet", data.root / "users.parquet")


# --- edges -----------------------------------------------------------------------------------------------------------


def _build_edges(context: Context) -> str:
    from colisten.graph_store.edges import FILE, build_edges

    summary = build_edges(listening_of(context), context.settings.graph, context.workdir.edges, context.progress)
    for (one, other), count in summary.edges.items():
        context.progress.say(f"  {one} – {other}: {count:,} edges")
    return file_digest(context.workdir.edges / FILE)


STAGES = (
    Stage(
        "listening",
        "Reading listening data",
        after=(),
        inputs=_source_state,
        make=_import,
        standing=lambda context: (context.workdir.listening / "summary.json").exists(),
    ),
    Stage(
        "edges",
        "Computing co-listening edges",
        after=("listening",),
        inputs=lambda context: context.settings.graph,
        make=_build_edges,
        standing=lambda context: (context.workdir.edges / "edges.parquet").exists(),
    ),
)
