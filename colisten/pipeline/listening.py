"""Stage `listening`: read and check listening data, and take in the events that were posted since.

Without a source (`colisten run` without `--data`) it goes on from the data that is there.
"""

from __future__ import annotations

from colisten.errors import DataError
from colisten.pipeline.records import damage, drop_damaged, read_record
from colisten.pipeline.stage import Context, Stage, digest_of, files_in, matching

_READ_BY = ("signals.*", "taste_types", "graph.relations")
"""Settings under which rows of the source are used or left out: under others it has to be read again."""


def _run(context: Context) -> str:
    from colisten.listening.importing import append_events, import_data

    folder, events = context.workdir.listening, context.workdir.events
    if not context.source:
        _check_kept(context)
        return append_events(folder, context.settings, context.progress, events).digest()
    drop_damaged(context.workdir, "listening")
    origin = {"files": _source_version(context), "settings": _settings_version(context)}
    return import_data(
        context.source, folder, context.settings, context.progress, events=events, origin=origin
    ).digest()


def _check_kept(context: Context) -> None:
    """Raises DataError if the data of an earlier import cannot be gone on from."""
    root, name = context.workdir.root, "listening"
    if not _origin(context):
        raise DataError(f"There is no data in {root} that a run could go on from: name it with --data.")
    if damaged := next(iter(damage(context.workdir, read_record(context.workdir, name))), ""):
        raise DataError(f"{damaged}: name the data again with --data.")
    if _origin(context).get("settings") != _settings_version(context):
        raise DataError(
            f"The data in {root} was read under other settings ({', '.join(_READ_BY)}): name it again with --data."
        )


def _other_inputs(context: Context) -> object:
    """The version of the source, or of the one that was read before, and of the log of events."""
    from colisten.listening.events.store import EventStore

    store = EventStore.open(context.workdir.events)
    if store is None:
        return [_source_version(context), {}]
    with store:
        return [_source_version(context), store.newest()]


def _source_version(context: Context) -> str:
    """A hash of every file of the source with its version (size, time, etag)."""
    from colisten.listening.contract import TABLES
    from colisten.listening.files import Source

    if not context.source:
        return _origin(context).get("files", "")
    source = Source.open(context.source)
    files = [path for table in TABLES for path in source.files(table.name)]
    return digest_of([(path, source.system.ukey(path)) for path in files])


def _settings_version(context: Context) -> str:
    values = STAGE.inputs(context.settings)
    return digest_of({key: values[key] for key in sorted(matching(_READ_BY) & values.keys())})


def _origin(context: Context) -> dict[str, str]:
    """Of what and how the data that is there was read; empty where there is none."""
    from colisten.listening.data import ListeningData

    folder = context.workdir.listening
    if not (folder / "summary.json").exists():
        return {}
    found: dict[str, str] = ListeningData(folder).summary.get("source", {})
    return found


STAGE = Stage(
    "listening",
    "Reading listening data",
    depends_on=(),
    settings=("signals.*", "taste_types", "target", "listening.conflicting_items", "graph.relations"),
    ignores=("engine", "listening.memory_mb"),
    other_inputs=_other_inputs,
    run=_run,
    files=files_in("listening/*"),
    output_exists=lambda context: (context.workdir.listening / "summary.json").exists(),
)
