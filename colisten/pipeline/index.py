"""Stage `index`: publish item vectors as a new collection and make it live."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from colisten.errors import IndexStoreError, WorkdirError
from colisten.listening.data import ListeningData
from colisten.pipeline.stage import Context, Stage, files_in
from colisten.pipeline.tracked import tracker_of


def _run(context: Context) -> str:
    from colisten.serving.publishing import publish

    data = ListeningData(context.workdir.listening)
    name = publish(context.workdir, data, context.settings, context.progress)
    if tracker := tracker_of(context, "index"):
        tracker.finish(index=name, items=len(data.items), target=context.settings.target)
    return name


def _output_exists(context: Context) -> bool:
    """Does the live collection, which may have been rolled back to, answer?"""
    from colisten.serving.recommending import Recommender

    try:
        Recommender.open(context.workdir, context.settings).close()
    except (IndexStoreError, WorkdirError):
        return False
    return True


def _files(context: Context) -> Iterable[Path]:
    """The live collection of the embedded engine, and the user encoder beside it; a server's files are its own."""
    if context.settings.qdrant.url:
        return ()
    from colisten.serving.index.opening import open_index

    live = open_index(context.workdir, context.settings).live()
    return files_in(f"index/{live}/**/*", f"index/towers/{live}/*")(context)


STAGE = Stage(
    "index",
    "Publishing the index",
    depends_on=("text", "embed", "towers", "profiles"),
    settings=("qdrant.url", "qdrant.alias", "qdrant.exact_up_to", "qdrant.quantization"),
    ignores=("qdrant.keep", "tracking"),
    run=_run,
    files=_files,
    output_exists=_output_exists,
)
