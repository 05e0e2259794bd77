"""Stage `listening`: read and check listening data."""

from __future__ import annotations

from colisten.pipeline.records import drop_damaged
from colisten.pipeline.stage import Context, Stage, files_in


def _run(context: Context) -> str:
    from colisten.listening.importing import import_data

    folder = context.workdir.listening
    drop_damaged(context.workdir, "listening")
    return import_data(context.source, folder, context.settings, context.progress).digest()


def _source_files(context: Context) -> object:
    """Every file of the source with its version (size, time, etag)."""
    from colisten.listening.contract import TABLES
    from colisten.listening.files import Source

    source = Source.open(context.source)
    files = [path for table in TABLES for path in source.files(table.name)]
    return [(path, source.system.ukey(path)) for path in files]


STAGE = Stage(
    "listening",
    "Reading listening data",
    depends_on=(),
    settings=("signals.*", "taste_types", "target", "listening.conflicting_items", "graph.relations"),
    ignores=("listening.memory_mb",),
    other_inputs=_source_files,
    run=_run,
    files=files_in("listening/*"),
    output_exists=lambda context: (context.workdir.listening / "summary.json").exists(),
)
