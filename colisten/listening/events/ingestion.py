"""Ingestion of the event log into an import: what was posted, beside what the platform's files hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from colisten.listening.contract import ITEMS, literal
from colisten.listening.events.store import EventStore
from colisten.listening.raw import columns_of

_FIELDS: list[pa.Field[Any]] = [
    pa.field("user_id", pa.string()),
    pa.field("item_id", pa.string()),
    pa.field("signal", pa.string()),
    pa.field("timestamp", pa.int64()),
    pa.field("value", pa.float32()),
]
_EVENT = pa.schema(_FIELDS)
_TOLD = "the log of events"
"""What stands for a file where an item was told of, not given."""


def read_log(db: duckdb.DuckDBPyConnection, path: Path | None) -> int:
    """Make `logged` (the columns of `_EVENT`), `told_users` and `told_items` (an id and what was told, JSON).

    Returns:
        `seq` of the last event in them; 0 where there is none.

    Raises:
        WorkdirError: the log is damaged.
    """
    store = EventStore.open(path) if path else None
    if store is None:
        _fill(db, iter(()), [], [])
        return 0
    with store, store.snapshot():
        _fill(db, store.batches(), store.features(), store.words())
        return store.newest().get("events", 0)


def _fill(
    db: duckdb.DuckDBPyConnection,
    events: Iterator[list[tuple[object, ...]]],
    users: list[tuple[str, str]],
    items: list[tuple[str, str]],
) -> None:
    batches = (pa.record_batch(list(zip(*rows, strict=True)), schema=_EVENT) for rows in events)
    db.register("batches", pa.RecordBatchReader.from_batches(_EVENT, batches))
    db.execute("CREATE TABLE logged AS FROM batches")
    db.unregister("batches")
    for name, key, rows in (("told_users", "user_id", users), ("told_items", "item_id", items)):
        db.execute(f"CREATE TABLE {name} ({key} VARCHAR, told VARCHAR)")
        if rows:
            db.executemany(f"INSERT INTO {name} VALUES (?, ?)", rows)


def put_told_items(db: duckdb.DuckDBPyConnection) -> None:
    """Put what was told of items into `checked_items`: other words of those that are there, and new ones.

    A new item is left out where an earlier import knows it as of another type.
    """
    words = [column for column in ITEMS.columns if column.name not in ("item_id", "item_type")]
    kinds = {column.name: column.kind.sql_type for column in words} | {"item_type": "VARCHAR"}
    structure = literal(json.dumps(kinds).replace('"VARCHAR[]"', '["VARCHAR"]'))
    db.execute(f"""
        CREATE TABLE told_words AS SELECT item_id, unnest(from_json(told, {structure})) FROM told_items""")
    changed = ", ".join(
        f"{column.name} = coalesce(told.{column.name}, checked_items.{column.name})" for column in words
    )
    db.execute(f"""
        UPDATE checked_items SET {changed} FROM told_words AS told
        WHERE checked_items.item_id = told.item_id AND checked_items.reason IS NULL""")
    names = ", ".join(column.name for column in ITEMS.columns)
    db.execute(f"""
        INSERT INTO checked_items ({names}, file, line)
        SELECT {names}, {literal(_TOLD)}, 0 FROM told_words AS told
        WHERE item_type IS NOT NULL
            AND item_id NOT IN (SELECT item_id FROM checked_items WHERE reason IS NULL)
            AND item_id NOT IN (SELECT item_id FROM earlier_items WHERE earlier_items.item_type <> told.item_type)""")


def match_logged(db: duckdb.DuckDBPyConnection, signals: tuple[str, ...]) -> None:
    """Make `logged_events` (user_id, item, signal: its code, timestamp, value) of those on items of today's catalogue
    with signals that count, which the files do not hold; needs `numbered_items` and `checked_interactions`."""
    codes = ", ".join(map(literal, signals))
    db.execute(f"""
        CREATE TABLE known_logged AS
        SELECT user_id, item, item_id, signal, timestamp, value
        FROM logged JOIN (FROM numbered_items WHERE NOT retired) USING (item_id)
        WHERE signal IN ({codes})""")
    db.execute(f"""
        CREATE TABLE logged_events AS
        SELECT user_id, item, (list_position([{codes}], signal) - 1)::UTINYINT AS signal, timestamp, value
        FROM known_logged ANTI JOIN (
            FROM checked_interactions WHERE reason IS NULL AND NOT ignored AND item IS NOT NULL
        ) AS given USING (user_id, item, signal, timestamp)""")


def with_told_features(db: duckdb.DuckDBPyConnection, features: Mapping[str, str]) -> dict[str, str]:
    """The SQL of each feature column, by name, with what was told of a user in its place; on `told_features` (user_id
    and two columns for each feature), which is made here."""
    rows = [(user_id, json.loads(told)) for user_id, told in db.execute("FROM told_users").fetchall()]
    columns: dict[str, pa.Array[pa.StringScalar]] = {"told_user": pa.array([user for user, _ in rows], pa.string())}
    merged = {}
    for place, (name, sql) in enumerate(features.items()):
        values = [told.get(name) for _, told in rows]
        columns[f"told_{place}"] = pa.array([None if v is None else str(v) for v in values], pa.string())
        columns[f"is_told_{place}"] = pa.array([str(name in told) for _, told in rows], pa.string())
        cast = f"TRY_CAST(told_{place} AS {columns_of(db, f'SELECT {sql} AS one FROM checked_users')['one']})"
        merged[name] = f"CASE WHEN is_told_{place} = 'True' THEN {cast} ELSE {sql} END"
    db.register("told_features_", pa.table(columns))
    db.execute("CREATE TABLE told_features AS FROM told_features_")
    db.unregister("told_features_")
    return merged
