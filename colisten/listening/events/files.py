"""Files of events: CSV and Parquet by the readers of the data contract, JSON line by line as it is posted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from colisten.errors import DataError
from colisten.listening import checks
from colisten.listening.contract import IDENTIFIER, NUMBER, TIME, Column, Table
from colisten.listening.events.rows import Event, RefusedRow, read_events
from colisten.listening.files import Source
from colisten.listening.raw import database, open_files
from colisten.listening.rejected import collect_rejected
from colisten.listening.time_units import with_unit
from colisten.settings import ListeningSettings
from colisten.workdir import scratch_folder

EVENTS = Table(
    "events",
    (
        Column("user_id", IDENTIFIER, required=True),
        Column("item_id", IDENTIFIER, required=True),
        Column("signal", IDENTIFIER, required=True),
        Column("timestamp", TIME),
        Column("value", NUMBER),
        Column("event_id", IDENTIFIER),
    ),
)
Batch = tuple[list[Event], list[RefusedRow]]
_AT_ONCE = 10_000


def events_in(path: Path, signals: Sequence[str], options: ListeningSettings) -> Iterator[Batch]:
    """The events of a file, in batches, and its rows that are none, by their number from 1.

    Args:
        path: `.csv`, `.csv.gz`, `.parquet`, or `.jsonl` with one event a line.
        signals: those that count.
        options: how much memory reading may take.

    Raises:
        DataError: the file cannot be read, or lacks a column.
    """
    if path.name.endswith((".parquet", ".csv", ".csv.gz")):
        yield from _in_table(path, signals, options)
    elif path.suffix == ".jsonl":
        yield from _in_lines(path, signals)
    else:
        raise DataError(f"{path} is no file of events: its name ends in .csv, .csv.gz, .parquet or .jsonl.")


def _in_table(path: Path, signals: Sequence[str], options: ListeningSettings) -> Iterator[Batch]:
    source, now = Source.open(str(path.absolute().parent)), int(time.time())
    with scratch_folder() as scratch, database(scratch, source, options.memory_mb) as db:
        raw = open_files(db, source, EVENTS, [str(path.absolute())], scratch)
        table, _ = with_unit(db, EVENTS, raw.columns)
        checks.check_events(db, table, raw.columns, signals=signals)
        collect_rejected(db, [EVENTS])
        yield [], [RefusedRow(*row) for row in db.execute("SELECT line, reason FROM rejected ORDER BY line").fetchall()]
        rows = db.cursor().execute(
            f"SELECT user_id, item_id, signal, coalesce(timestamp, {now}), value, event_id FROM checked_events "
            "WHERE reason IS NULL ORDER BY line"
        )
        while batch := rows.fetchmany(_AT_ONCE):
            yield [Event(*row) for row in batch], []


def _in_lines(path: Path, signals: Sequence[str]) -> Iterator[Batch]:
    now, first = int(time.time()), 1
    with path.open("rb") as lines:
        while some := list(islice(lines, _AT_ONCE)):
            events, refused = read_events([_json(line) for line in some], signals, now)
            yield events, [RefusedRow(first + place, reason) for place, reason in refused]
            first += len(some)


def _json(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
