"""Stage `profiles`: user histories and features for serving, in one SQLite file."""

from __future__ import annotations

from colisten.listening.data import ListeningData
from colisten.pipeline.stage import Context, Stage, files_in
from colisten.serving.profiles import LAYOUT
from colisten.workdir import file_digest


def _run(context: Context) -> str:
    from colisten.serving.profile_writing import write_profiles

    write_profiles(ListeningData(context.workdir.listening), context.workdir.profiles, context.progress)
    return file_digest(context.workdir.profiles)


def _availability(context: Context) -> str:
    """No stage but this one looks at that table, so it is no part of the digest of the data."""
    path = context.workdir.listening / "availability.parquet"
    return file_digest(path) if path.exists() else ""


STAGE = Stage(
    "profiles",
    "Writing profiles",
    depends_on=("listening",),
    settings=(),
    other_inputs=lambda context: [LAYOUT, _availability(context)],
    run=_run,
    files=files_in("profiles.sqlite"),
    output_exists=lambda context: context.workdir.profiles.exists(),
)
