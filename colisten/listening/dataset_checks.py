"""Dataset-level validation: conditions that make the data unusable as a whole, one sentence each."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence

import duckdb

from colisten.errors import DataError
from colisten.listening.checks import OTHER_ROW
from colisten.listening.contract import literal
from colisten.listening.raw import one_row
from colisten.settings import Settings, as_word

MOST_ITEM_TYPES = 255
"""Type codes are uint8."""


def check_catalogue(db: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Validate `checked_items` as a whole.

    Raises:
        DataError: no item is left, too many rows contradict earlier ones of their item, or nothing is of the target
            type.
    """
    _refuse_empty(db, "items")
    _refuse_conflicts(db, settings.listening.conflicting_items)
    query = "SELECT DISTINCT item_type FROM checked_items WHERE reason IS NULL ORDER BY 1"
    types = [name for (name,) in db.execute(query).fetchall() if name not in settings.taste_types]
    if settings.target not in types:
        near = difflib.get_close_matches(settings.target, types, n=1, cutoff=0.5) or types[:1]
        hint = f"for example --set {shlex.quote(f'target={near[0]}')}" if near else "the catalogue has only taste types"
        listed = ", ".join(types[:12]) + (", …" if len(types) > 12 else "")
        raise DataError(f"No item is of the target type {settings.target!r}: the types are {listed}; {hint}.")


def _refuse_conflicts(db: duckdb.DuckDBPyConnection, most: float) -> None:
    """A few rows that contradict the first one of their item are set aside, many put the ids in doubt."""
    other = literal(OTHER_ROW)
    conflicts, ids, name, usable = one_row(db, f"""
        SELECT count(*) FILTER (reason = {other}), count(DISTINCT item_id) FILTER (reason = {other}),
            min(item_id) FILTER (reason = {other}), count(*) FILTER (reason IS NULL OR reason = {other})
        FROM checked_items""")  # fmt: skip
    if conflicts > most * usable:
        times = one_row(db, f"""
            SELECT count(*) FROM checked_items
            WHERE item_id = {literal(str(name))} AND (reason IS NULL OR reason = {other})""")[0]  # fmt: skip
        raise DataError(
            f"The item_id {name!r} stands {times} times in items, each time with other values ({ids} ids do): leave "
            "one row for each item, over all types, or allow a larger share than "
            f"listening.conflicting_items={most:g} to be set aside."
        )


def check_type_count(types: Sequence[str]) -> None:
    """Raises DataError above 255 item types, those of earlier imports included."""
    if len(types) > MOST_ITEM_TYPES:
        raise DataError(f"There are {len(types)} item types, at most {MOST_ITEM_TYPES} work: merge the rare ones.")


def check_signals(db: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Validate `checked_interactions` as a whole.

    Raises:
        DataError: no row is left, a signal is in no list of the settings, or none is strong.
    """
    _refuse_empty(db, "interactions")
    found = db.execute(
        "SELECT signal, count(*) AS rows FROM checked_interactions WHERE reason IS NULL AND NOT ignored "
        "GROUP BY signal ORDER BY rows DESC, signal"
    ).fetchall()
    signals = settings.signals
    unknown = next(((name, rows) for name, rows in found if name not in signals.used), None)
    if unknown:
        name, rows = unknown
        raise DataError(
            f"The signal {name!r} ({rows:,} rows) is neither strong, weak nor ignored: say which, for example "
            f"--set {_chosen('weak', *signals.weak, name)} or --set {_chosen('ignored', *signals.ignored, name)}."
        )
    if not any(name in signals.strong for name, _ in found):
        have = ", ".join(name for name, _ in found) or "none"
        raise DataError(
            f"No interaction has a strong signal ({', '.join(signals.strong)}; there is {have}): name the signal that "
            f"means listening, for example --set {_chosen('strong', found[0][0] if found else 'stream')}."
        )


def _chosen(kind: str, *names: str) -> str:
    """The setting as one word that can be pasted into a shell."""
    return shlex.quote(f"signals.{kind}={as_word(names)}")


def _refuse_empty(db: duckdb.DuckDBPyConnection, table: str) -> None:
    rows, rejected, reason = one_row(db, f"SELECT count(*), count(reason), mode(reason) FROM checked_{table}")
    if not rows:
        raise DataError(f"{table} has no rows.")
    if rows == rejected:
        raise DataError(f"Not one of the {rows:,} rows of {table} is usable, most often because {reason}.")
