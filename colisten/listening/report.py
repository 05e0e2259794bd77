"""The report of `colisten data check`: sizes, rejected rows, and shares that limit how well models can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colisten.listening.raw import one_row
from colisten.listening.staging import Staged, staged
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import scratch_folder

_USED = "FROM checked_interactions WHERE reason IS NULL AND NOT ignored"
_GENRES = "SELECT unnest(list_distinct(genres)) AS genre FROM checked_items WHERE reason IS NULL"
_LISTED = 5


@dataclass(frozen=True)
class DataReport:
    """Size and quality of some listening data; every share is in 0…1."""

    rows: Mapping[str, int]
    """Rows read per table, broken ones included."""
    users: int
    """Users with a usable interaction or row."""
    items: Mapping[str, int]
    """Items per type, taste types left out."""
    interactions: Mapping[str, int]
    """Usable interactions per item type."""
    signals: Mapping[str, int]
    """Usable interactions per signal; ignored signals are not among them."""
    relations: Mapping[str, int]
    """Usable rows per relation."""
    ignored: int
    rejected: Mapping[str, int]
    """Rows set aside per reason, most first."""
    first: int | None
    """Second (UTC) of the first interaction; None where no time is known."""
    last: int | None
    health: Mapping[str, float]
    """Shares that limit how well models can do."""
    languages: Mapping[str, int]
    """Items of the most frequent languages."""
    genres: Mapping[str, int]
    """Items of the most frequent genres."""
    listeners: Mapping[str, int]
    """Usable interactions of the most active users."""
    unread: Mapping[str, int]
    """Optional values that cannot be read and would be missing, with one of them."""
    warnings: Sequence[str]
    """What is probably meant otherwise than it was read, one sentence each."""


def check_data(source: str, settings: Settings, progress: Progress) -> DataReport:
    """Check the data in `source` as an import would, and write nothing.

    Raises:
        DataError: the data cannot be used as a whole.
    """
    with scratch_folder() as scratch, staged(source, scratch, settings, progress) as checked:
        return _report(checked)


def _report(checked: Staged) -> DataReport:
    read = {name: checked.number(f"SELECT count(*) FROM checked_{name}") + checked.number(
        f"SELECT count(*) FROM rejected WHERE table_name = '{name}' AND broken"
    ) for name in ("interactions", "items", "users", "relations", "availability")}  # fmt: skip
    first, last = one_row(checked.db, f"SELECT min(timestamp), max(timestamp) {_USED}")
    return DataReport(
        rows=read,
        users=checked.number(
            f"""SELECT count(*) FROM (
                SELECT user_id {_USED} UNION SELECT user_id FROM checked_users WHERE reason IS NULL)"""
        ),
        items=_counts(checked, "SELECT item_type, count(*) FROM numbered_items GROUP BY item_type"),
        interactions=_counts(checked, f"SELECT item_type, count(*) {_USED} GROUP BY item_type"),
        signals=_counts(checked, f"SELECT signal, count(*) {_USED} GROUP BY signal"),
        relations=_counts(
            checked, "SELECT relation, count(*) FROM checked_relations WHERE reason IS NULL GROUP BY relation"
        ),
        ignored=checked.number("SELECT count(*) FROM checked_interactions WHERE ignored"),
        rejected=checked.rejected,
        first=first,
        last=last,
        health=_health(checked),
        languages=_counts(checked, _most("language", "FROM checked_items WHERE reason IS NULL")),
        genres=_counts(checked, _most("genre", f"FROM ({_GENRES})")),
        listeners=_counts(checked, _most("user_id", _USED)),
        unread=checked.unread,
        warnings=checked.warnings,
    )


def _counts(checked: Staged, sql: str) -> dict[str, int]:
    return dict(checked.db.execute(f"{sql} ORDER BY 2 DESC, 1").fetchall())


def _most(name: str, rows: str) -> str:
    """SQL of the most frequent values."""
    counted = f"SELECT {name}, count(*) AS times {rows} GROUP BY {name} HAVING {name} IS NOT NULL"
    return f"SELECT * FROM ({counted} ORDER BY times DESC, {name} LIMIT {_LISTED})"


def _health(checked: Staged) -> dict[str, float]:
    found = checked.db.execute(f"""
        WITH used AS (SELECT * {_USED}),
        touched AS (SELECT DISTINCT item FROM used),
        active AS (SELECT count(DISTINCT item_id) AS different FROM used GROUP BY user_id)
        SELECT
            (SELECT avg((title IS NULL)::INT) FROM numbered_items) AS "items without title",
            (SELECT avg((description IS NULL)::INT) FROM numbered_items) AS "items without description",
            (SELECT avg((genres IS NULL)::INT) FROM numbered_items) AS "items without genres",
            (SELECT avg((item NOT IN (SELECT item FROM touched WHERE item IS NOT NULL))::INT) FROM numbered_items)
                AS "items without interactions",
            (SELECT avg((different = 1)::INT) FROM active) AS "users with a single item",
            (SELECT avg((timestamp IS NULL)::INT) FROM used) AS "interactions without time",
            (SELECT max(rows) / sum(rows) FROM (SELECT count(*) AS rows FROM used GROUP BY item_type))
                AS "interactions of the largest type" """)
    names = [column[0] for column in found.description or ()]
    return {name: float(share or 0) for name, share in zip(names, found.fetchall()[0], strict=True)}
