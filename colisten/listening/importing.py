"""Import of a platform's files: validation, dense ids, checked Parquet."""

from __future__ import annotations

import shutil
from pathlib import Path

from colisten.listening.contract import literal, quoted
from colisten.listening.data import ListeningData
from colisten.listening.lineage import lineage_of
from colisten.listening.numbering import item_types
from colisten.listening.staging import Staged, staged
from colisten.listening.taste import make_taste
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import replacing_folder, write_json


def import_data(source: str, out: Path, settings: Settings, progress: Progress) -> ListeningData:
    """Check the data in `source` (a folder or any fsspec URL) and write it to `out`, replacing it in one step.

    Item numbers of an earlier import in `out` are kept. Rows that are equal in everything, time included, are
    duplicates and are dropped; the same stream at another time is kept.

    Raises:
        DataError: the data cannot be used as a whole; `out` stays as it was.
        OutOfSpaceError: the disk is full; `out` stays as it was.
    """
    with replacing_folder(out) as draft:
        scratch = draft / ".scratch"
        scratch.mkdir()
        with staged(source, scratch, settings, progress, out / "items.parquet") as checked:
            _write(checked, draft, out, settings, progress)
        shutil.rmtree(scratch)
    data = ListeningData(out)
    _report(data, progress)
    return data


def _write(checked: Staged, draft: Path, earlier: Path, settings: Settings, progress: Progress) -> None:
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
            "ORDER BY numbered_users.user",
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
    write_json(draft / "summary.json", _summary(checked, draft, settings) | {"lineage": lineage})


_AVAILABILITY = """
WITH usable AS (SELECT item, country, "from", until FROM checked_availability WHERE reason IS NULL)
FROM usable UNION ALL SELECT DISTINCT item, NULL, 0, 0 FROM checked_availability
WHERE item NOT IN (SELECT item FROM usable) ORDER BY item, country NULLS FIRST, "from" NULLS FIRST, until"""
"""Items whose rows were all set aside are available nowhere: whoever gives a row means to restrict."""


def _save(checked: Staged, sql: str, path: Path) -> None:
    checked.db.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def _number_users(checked: Staged) -> None:
    """Make `kept_users` (the usable rows of users) and `numbered_users` (user, user_id), in the order of the ids."""
    checked.db.execute("CREATE TABLE kept_users AS FROM checked_users WHERE reason IS NULL")
    checked.db.execute("""
        CREATE TABLE numbered_users AS
        SELECT (row_number() OVER (ORDER BY user_id) - 1)::INTEGER AS user, user_id
        FROM (SELECT user_id FROM checked_interactions WHERE reason IS NULL AND NOT ignored
              UNION SELECT user_id FROM kept_users)""")


def _interactions(settings: Settings) -> str:
    codes = ", ".join(literal(name) for name in settings.signals.used)
    return f"""
        SELECT DISTINCT numbered_users.user, item, (list_position([{codes}], signal) - 1)::UTINYINT AS signal,
            timestamp, value
        FROM checked_interactions JOIN numbered_users USING (user_id)
        WHERE reason IS NULL AND NOT ignored AND item IS NOT NULL
        ORDER BY numbered_users.user, timestamp NULLS FIRST, item, signal, value NULLS FIRST"""


def _summary(checked: Staged, draft: Path, settings: Settings) -> dict[str, object]:
    rows = {name: checked.number(f"SELECT count(*) FROM read_parquet({literal(str(draft / f'{name}.parquet'))})")
            for name in ("interactions", "items", "users", "relations", "availability", "rejected")}  # fmt: skip
    kept = checked.number(
        "SELECT count(*) FROM checked_interactions WHERE reason IS NULL AND NOT ignored AND item IS NOT NULL"
    )
    rows |= {
        "retired": checked.number("SELECT count(*) FROM numbered_items WHERE retired"),
        "duplicates": kept - rows["interactions"],
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
    for reason, rows in data.summary["rejected"].items():
        progress.say(f"Set aside {rows:,} rows: {reason} (see {data.root / 'rejected.parquet'}).")
    for value, times in data.summary["unread"].items():
        progress.say(f"Read {times:,} values as missing: {value}.")
    for warning in data.summary["warnings"]:
        progress.say(f"Warning: {warning}")
