"""Write `W/profiles.sqlite` from listening data, or without a user: in bounded memory, replaced atomically."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colisten.arrays import Codes, Int64s
from colisten.letters import folded
from colisten.listening.data import ListeningData
from colisten.progress import Progress, Task
from colisten.serving.new_releases import new_releases
from colisten.serving.popular import popular_items
from colisten.serving.profiles import LAYOUT, RETIRED, profile_errors
from colisten.serving.rules.availability import FOREVER
from colisten.workdir import replacing_file

_EVENTS_AT_ONCE = 1_000_000
_USERS_AT_ONCE = 100_000
_SCHEMA = """
CREATE TABLE users (
    user INTEGER PRIMARY KEY, user_id TEXT NOT NULL UNIQUE,
    items BLOB NOT NULL, signals BLOB NOT NULL, timestamps BLOB NOT NULL, features TEXT NOT NULL, taste BLOB
);
CREATE TABLE items (
    item INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, item_type TEXT NOT NULL, title TEXT,
    folded TEXT, retired INTEGER NOT NULL, listeners INTEGER NOT NULL
);
CREATE INDEX items_by_title ON items (folded);
CREATE TABLE vocabulary (field TEXT NOT NULL, value TEXT NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (field, value));
CREATE TABLE popular (
    country TEXT NOT NULL, item INTEGER NOT NULL, place INTEGER NOT NULL, listeners INTEGER NOT NULL,
    PRIMARY KEY (country, item)
) WITHOUT ROWID;
CREATE TABLE new_releases (
    item INTEGER PRIMARY KEY, days INTEGER NOT NULL, creator TEXT NOT NULL, listeners INTEGER NOT NULL
);
CREATE TABLE holders (
    field TEXT NOT NULL, folded TEXT NOT NULL, name TEXT NOT NULL, items BLOB NOT NULL, PRIMARY KEY (field, folded)
);
CREATE TABLE availability (
    items BLOB NOT NULL, places BLOB NOT NULL, begins BLOB NOT NULL, ends BLOB NOT NULL, countries TEXT NOT NULL
);
CREATE TABLE facts (key TEXT PRIMARY KEY, value NOT NULL);
"""


def write_profiles(data: ListeningData, path: Path, progress: Progress) -> None:
    """Write the tables that `Profiles` reads: users with their events, items, vocabulary, popular items, facts.

    Raises:
        OutOfSpaceError: the disk is full; an earlier file is left as it was.
    """
    with replacing_file(path) as draft:
        with profile_errors(path).told(), closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            pragmas = f"journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA user_version = {LAYOUT}"
            connection.executescript(f"PRAGMA {pragmas}; BEGIN;{_SCHEMA}")
            with progress.task("writing profiles", len(data.users)) as task:
                for rows in _user_rows(data, task):
                    connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", _item_rows(data))
            connection.executemany("INSERT INTO vocabulary VALUES (?, ?, ?)", _vocabulary(data.items))
            connection.executemany("INSERT INTO holders VALUES (?, ?, ?, ?)", _holders(data.items))
            connection.execute("INSERT INTO availability VALUES (?, ?, ?, ?, ?)", _availability(data.availability))
            connection.executemany("INSERT INTO popular VALUES (?, ?, ?, ?)", popular_items(data))
            connection.executemany("INSERT INTO new_releases VALUES (?, ?, ?, ?)", new_releases(data))
            connection.executemany("INSERT INTO facts VALUES (?, ?)", _facts(data).items())
            connection.execute("COMMIT")
        _drop_journal(path)


def forget_profile(path: Path, user_id: str) -> bool:
    """Write the file anew without this user; returns whether there was such a user.

    Whoever reads it goes on with the file of before, and a kill leaves that whole.

    Raises:
        WorkdirError: it is damaged.
        OutOfSpaceError: the disk is full; the file is left as it was.
    """
    with (
        profile_errors(path).told(),
        closing(sqlite3.connect(path, isolation_level=None)) as connection,  # and what a kill began is undone
    ):
        if not connection.execute("SELECT 1 FROM users WHERE user_id = ?", (user_id,)).fetchall():
            return False
        with replacing_file(path) as draft:
            connection.execute("VACUUM INTO ?", (str(draft),))
            with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                copy.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON")
                copy.execute("DELETE FROM users WHERE user_id = ?", (user_id,))
    return True


def _drop_journal(path: Path) -> None:
    """What a killed writer left beside the file would be replayed into the one that takes its place."""
    for journal in (path.with_name(f"{path.name}{ending}") for ending in ("-journal", "-wal", "-shm")):
        if journal.exists():
            path.unlink(missing_ok=True)  # first: without its journal it may be half of something
            journal.unlink()


def _user_rows(data: ListeningData, task: Task) -> Iterator[Iterator[tuple[Any, ...]]]:
    """Rows of the users table, in batches of users with about `_EVENTS_AT_ONCE` events together."""
    users = data.users
    ends = _ends(data)
    first = 0
    while first < len(users):
        begin = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begin + _EVENTS_AT_ONCE, side="right")))
        last = min(last, first + _USERS_AT_ONCE, len(users))
        yield _rows_of(users[first:last], _events(data, begin, int(ends[last - 1])), ends[first:last] - begin)
        task.advance(last - first)
        first = last


def _ends(data: ListeningData) -> Int64s:
    """[users] row after each user's last event in the file, which is ordered by user."""
    counts = pl.scan_parquet(data.interactions, glob=False).group_by("user").len().collect(engine="streaming")
    lengths = np.zeros(len(data.users), np.int64)
    lengths[counts["user"].to_numpy()] = counts["len"].to_numpy()
    return np.cumsum(lengths)


def _events(data: ListeningData, begin: int, end: int) -> pl.DataFrame:
    return (
        pl.scan_parquet(data.interactions, glob=False)
        .slice(begin, end - begin)
        .select("item", "signal", pl.col("timestamp").fill_null(-1))
        .collect()
    )


def _rows_of(users: pl.DataFrame, events: pl.DataFrame, ends: Int64s) -> Iterator[tuple[Any, ...]]:
    columns = [events[name].to_numpy() for name in ("item", "signal", "timestamp")]
    features = users.drop("user", "user_id", "taste", strict=False)
    known = (
        json.dumps({name: v for name, v in row.items() if v is not None}) for row in features.iter_rows(named=True)
    )
    tastes = users["taste"] if "taste" in users.columns else pl.Series([None] * len(users))
    begin = 0
    for user, user_id, end, encoded, taste in zip(
        users["user"].to_list(), users["user_id"].to_list(), ends.tolist(), known, tastes.to_list(), strict=True
    ):
        vector = None if taste is None else np.asarray(taste, np.float32).tobytes()
        yield user, user_id, *(part[begin:end].tobytes() for part in columns), encoded, vector
        begin = end


def _item_rows(data: ListeningData) -> Iterator[tuple[Any, ...]]:
    table = data.items.join(data.listeners.collect(engine="streaming"), on="item", how="left", maintain_order="left")
    columns = pl.col("item", "item_id", "item_type", "title", "retired")
    for *row, title, retired, listeners in table.select(columns, pl.col("listeners").fill_null(0)).iter_rows():
        yield *row, title, None if title is None else folded(title), retired, listeners


def _vocabulary(items: pl.DataFrame) -> Iterator[tuple[str, str, int]]:
    for field in ("item_type", "language", "genres"):
        if field in items.columns:
            values = items.filter(~pl.col("retired")).select(pl.col(field)).lazy()
            if items[field].dtype == pl.List:
                values = values.explode(field)
            for value, count in values.drop_nulls().group_by(field).len().collect().iter_rows():
                yield field, value, count


def _holders(items: pl.DataFrame) -> Iterator[tuple[str, str, str, bytes]]:
    for field, column in (("creator", "creators"), ("genre", "genres")):
        if column in items.columns:
            pairs = items.lazy().select("item", name=column).explode("name").drop_nulls("name")
            names = pairs.group_by("name").agg("item").sort("name").collect()
            keyed = names.with_columns(key=pl.Series([folded(name) for name in names["name"]], dtype=pl.String))
            merged = keyed.group_by("key").agg(pl.first("name"), pl.col("item").explode().unique().sort())
            for key, name, numbers in merged.iter_rows():
                yield field, key, name, np.asarray(numbers, np.int32).tobytes()


def _availability(table: pl.DataFrame) -> tuple[bytes, bytes, bytes, bytes, str]:
    """Columns of an `Availability`."""
    countries = pl.Series([None if name is None else folded(name) for name in table["country"]], dtype=pl.String)
    names = countries.drop_nulls().unique().sort()
    places = countries.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int32)
    return (
        table["item"].to_numpy().astype(np.int32).tobytes(),
        places.fill_null(-1).to_numpy().astype(np.int32).tobytes(),
        table["from"].fill_null(-FOREVER).to_numpy().astype(np.int64).tobytes(),
        table["until"].fill_null(FOREVER).to_numpy().astype(np.int64).tobytes(),
        json.dumps(names.to_list()),
    )


def _facts(data: ListeningData) -> dict[str, str | bytes]:
    latest = pl.scan_parquet(data.interactions, glob=False).select(pl.col("timestamp").max()).collect().item()
    features = {
        name: "number" if dtype.is_numeric() else "text"
        for name, dtype in data.users.schema.items()
        if name not in ("user", "user_id", "taste")
    }
    facts = {
        "signals": data.signals,
        "strong": data.strong,
        "item_types": data.item_types,
        "features": features,
        "latest": -1 if latest is None else latest,
        "events": data.events,
    }
    return {key: json.dumps(value) for key, value in facts.items()} | {"types": _types(data).tobytes()}


def _types(data: ListeningData) -> Codes:
    return np.where(data.items["retired"].to_numpy(), RETIRED, data.type_of).astype(np.uint8)
