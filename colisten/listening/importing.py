"""Import of a platform's files: validation, dense ids, checked Parquet."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from colisten.listening.contract import literal, quoted
from colisten.listening.data import ListeningData
from colisten.listening.kept import with_counts_of
from colisten.listening.lineage import lineage_of
from colisten.listening.numbering import item_types
from colisten.listening.staging import Staged, staged
from colisten.listening.taste import make_taste
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import replacing_folder, write_json


def import_data(
    source: str,
    out: Path,
    settings: Settings,
    progress: Progress,
    *,
    events: Path | None = None,
    origin: Mapping[str, str] = MappingProxyType({}),
) -> ListeningData:
    """Check the data in `source` (a folder or any fsspec URL) and write it to `out`, replacing it in one step.

    Item numbers of an earlier import in `out` are kept. Rows that are equal in everything, time included, are
    duplicates and are dropped; the same stream at another time is kept.

    Args:
        source: the platform's tables.
        out: folder of the checked data.
        settings: which signals count, say.
        progress: where to report to.
        events: a log of events (`EventStore`): those on items of the catalogue that `source` does not hold are added.
        origin: kept in the summary as `source`: of what and how this was read.

    Raises:
        DataError: the data cannot be used as a whole; `out` stays as it was.
        WorkdirError: the log is damaged.
        OutOfSpaceError: the disk is full; `out` stays as it was.
    """
    return _import(source, out, settings, progress, events, origin)


def append_events(out: Path, settings: Settings, progress: Progress, events: Path) -> ListeningData:
    """Add what the log of `events` has beyond the data in `out` to that, replacing it in one step.

    It ends in the data of an import of the same source with this log, but for taste vectors: users who are new have
    none.

    Raises:
        DataError: the data cannot be used as a whole; `out` stays as it was.
        WorkdirError: the log is damaged.
        OutOfSpaceError: the disk is full; `out` stays as it was.
    """
    return _import(ListeningData(out), out, settings, progress, events, {})


def _import(
    source: str | ListeningData,
    out: Path,
    settings: Settings,
    progress: Progress,
    events: Path | None,
    origin: Mapping[str, str],
) -> ListeningData:
    with replacing_folder(out) as draft:
        scratch = draft / ".scratch"
        scratch.mkdir()
        with staged(source, scratch, settings, progress, out / "items.parquet", events) as checked:
            summary = _write(checked, draft, out, settings, progress) | {"source": dict(origin)}
        if isinstance(source, ListeningData):
            summary = with_counts_of(source, summary)
        write_json(draft / "summary.json", summary)
        shutil.rmtree(scratch)
    data = ListeningData(out)
    _report(data, progress)
    return data


def _write(checked: Staged, draft: Path, earlier: Path, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Write the tables; returns the summary."""
    with progress.task("writing", 6) as task:
        _save(checked, "FROM numbered_items ORDER BY item", draft / "items.parquet")
        task.advance(note="items")
        _number_users(checked)
        make_taste(checked.db, settings)
        features = "".join(f", {sql} AS {quoted(name)}" for name, sql in checked.features.items())
        _save(
            checked,
            f"SELECT numbered_users.user, user_id, coalesce(kept_users.taste, made_taste.taste) AS taste{features} "
            "FROM numbered_users LEFT JOIN kept_users USING (user_id) LEFT JOIN made_taste USING (user) "
            "LEFT JOIN told_features ON told_user = user_id ORDER BY numbered_users.user",
            draft / "users.parquet",
        )
        task.advance(note="users")
        _save(
            checked,
            "SELECT src, dst, relation, coalesce(weight, 1)::FLOAT AS weight FROM checked_relations "
            "WHERE reason IS NULL ORDER BY relation, src, dst",
            draft / "relations.parquet",
        )
        task.advance(note="relations")
        _save(checked, _AVAILABILITY, draft / "availability.parquet")
        task.advance(note="availability")
        _save(checked, _interactions(settings), draft / "interactions.parquet")
        task.advance(note="interactions")
        _save(
            checked,
            "SELECT file, line, reason, row FROM rejected ORDER BY table_name, file, line",
            draft / "rejected.parquet",
        )
        task.advance(note="rejected rows")
    lineage = lineage_of(checked.db, draft / "interactions.parquet", settings.signals.used, earlier)
    return _summary(checked, draft, settings) | {"lineage": lineage}


_AVAILABILITY = """
WITH usable AS (SELECT item, country, "from", until FROM checked_availability WHERE reason IS NULL)
FROM usable UNION ALL SELECT DISTINCT item, NULL, 0, 1 FROM checked_availability
WHERE item NOT IN (SELECT item FROM usable) ORDER BY item, country NULLS FIRST, "from" NULLS FIRST, until"""
"""Items whose rows were all set aside are available in the first second of 1970 alone: who gives rows restricts."""


def _save(checked: Staged, sql: str, path: Path) -> None:
    checked.db.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def _number_users(checked: Staged) -> None:
    """Make `kept_users` (the usable rows of users) and `numbered_users` (user, user_id), in the order of the ids."""
    checked.db.execute("CREATE TABLE kept_users AS FROM checked_users WHERE reason IS NULL")
    checked.db.execute("""
        CREATE TABLE numbered_users AS
        SELECT (row_number() OVER (ORDER BY user_id) - 1)::INTEGER AS user, user_id
        FROM (SELECT user_id FROM checked_interactions WHERE reason IS NULL AND NOT ignored
              UNION SELECT user_id FROM kept_users UNION SELECT user_id FROM logged_events
              UNION SELECT user_id FROM told_users)""")


def _interactions(settings: Settings) -> str:
    codes = ", ".join(literal(name) for name in settings.signals.used)
    return f"""
        FROM (
            SELECT DISTINCT numbered_users.user, item, (list_position([{codes}], signal) - 1)::UTINYINT AS signal,
                timestamp, value
            FROM checked_interactions JOIN numbered_users USING (user_id)
            WHERE reason IS NULL AND NOT ignored AND item IS NOT NULL
            UNION ALL SELECT numbered_users.user, item, signal, timestamp, value
            FROM logged_events JOIN numbered_users USING (user_id))
        ORDER BY "user", timestamp NULLS FIRST, item, signal, value NULLS FIRST"""


def _summary(checked: Staged, draft: Path, settings: Settings) -> dict[str, Any]:
    rows = {name: checked.number(f"SELECT count(*) FROM read_parquet({literal(str(draft / f'{name}.parquet'))})")
            for name in ("interactions", "items", "users", "relations", "availability", "rejected")}  # fmt: skip
    kept = checked.number(
        "SELECT count(*) FROM checked_interactions WHERE reason IS NULL AND NOT ignored AND item IS NOT NULL"
    )
    logged, taken, added = (
        checked.number(f"SELECT count(*) FROM {name}") for name in ("logged", "known_logged", "logged_events")
    )
    rows |= {
        "retired": checked.number("SELECT count(*) FROM numbered_items WHERE retired"),
        "duplicates": kept + added - rows["interactions"],
        "ignored": checked.number("SELECT count(*) FROM checked_interactions WHERE ignored"),
        "taste": checked.number(
            "SELECT count(*) FROM checked_interactions WHERE reason IS NULL AND NOT ignored AND item IS NULL"
        ),
    }
    return {
        "item_types": list(item_types(checked.db)),
        "signals": list(settings.signals.used),
        "strong": len(settings.signals.strong),
        "counts": rows,
        "rejected": checked.rejected,
        "unread": checked.unread,
        "warnings": list(checked.warnings),
        "events": {"seq": checked.seq, "taken": taken, "wait": logged - taken},
    }


def _report(data: ListeningData, progress: Progress) -> None:
    counts = data.summary["counts"]
    progress.say(
        f"{counts['interactions']:,} interactions of {counts['users']:,} users with {counts['items']:,} items."
    )
    if counts["relations"]:
        progress.say(f"{counts['relations']:,} relations between items.")
    if counts["availability"]:
        progress.say(f"{counts['availability']:,} rows say where and when items may be shown.")
    events = data.summary["events"]
    if events["taken"]:
        progress.say(f"{events['taken']:,} of them were posted as events.")
    if events["wait"]:
        progress.say(f"{events['wait']:,} events wait for an item or a signal that is not known yet.")
    for reason, rows in data.summary["rejected"].items():
        progress.say(f"Set aside {rows:,} rows: {reason} (see {data.root / 'rejected.parquet'}).")
    for value, times in data.summary["unread"].items():
        progress.say(f"Read {times:,} values as missing: {value}.")
    for warning in data.summary["warnings"]:
        progress.say(f"Warning: {warning}")
