"""Warnings of what is probably meant otherwise than it was read: values that stand for nothing, packed lists, times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb

from colisten.letters import in_quotes
from colisten.listening.checks import UNDECLARED, is_feature
from colisten.listening.contract import ITEMS, NAME, TEXT, TEXTS, TITLE, USERS, form_of, literal, quoted
from colisten.listening.raw import Raw, one_row
from colisten.listening.times import time_warnings
from colisten.listening.values import MISSING_WORDS
from colisten.settings import RelationSettings

_USED = "checked_interactions WHERE reason IS NULL AND NOT ignored"
_WORDS = "(" + ", ".join(map(literal, MISSING_WORDS)) + ")"
_NOBODY = {*map(str.lower, MISSING_WORDS), "undefined", "unknown", "anonymous"}
_LISTED = 5
_SOME, _MANY = 3, 20
_EARLY = 1000
_PACKED = r"[\[\]{};|]|\S, ?\S"


def oddities(db: duckdb.DuckDBPyConnection, raw: Mapping[str, Raw], relations: Sequence[RelationSettings]) -> list[str]:
    """Warnings about the checked tables, one sentence each."""
    return [
        *_nobodies(db),
        *_missing_words(db, raw[ITEMS.name].columns),
        *_packed_lists(db),
        *_undeclared(db, relations),
        *time_warnings(db),
        *_users(db),
        *_no_features(raw[USERS.name].columns),
        *_early_years(db),
        *_available_nowhere(db),
    ]


def _nobodies(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Ids that are what a missing id becomes as text: one listener, or item, of everything."""
    names = ", ".join(map(literal, sorted(_NOBODY)))
    for name in ("user_id", "item_id"):
        found = db.execute(
            f"SELECT {name}, count(*) AS rows FROM {_USED} AND lower({name}) IN ({names}) "
            f"GROUP BY {name} ORDER BY rows DESC, {name}"
        ).fetchall()
        for value, rows in found:
            yield f"{rows:,} interactions have the {name} {in_quotes(value)}: leave out those whose {name} is missing."


def _missing_words(db: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> Iterator[str]:
    """Texts of items that say there is none: they were read as missing."""
    for column in ITEMS.columns:
        if column.kind not in (TEXT, TITLE, NAME, TEXTS) or form_of(columns.get(column.name, "other")) != "text":
            continue
        word = f"{quoted(column.name)}::VARCHAR"
        rows, first = one_row(db, f"SELECT count(*), min({word}) FROM raw_items WHERE {word} IN {_WORDS}")
        if rows:
            yield f"{rows:,} items have a {column.name} such as {in_quotes(first)}: it is read as missing."


def _packed_lists(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for name in ("genres", "creators", "language"):
        values = f"unnest({name})" if name != "language" else name
        pattern = _PACKED if name == "genres" else r"[\[\]{};|]"
        rows, first = one_row(
            db,
            f"SELECT count(*), min(value) FROM (SELECT {values} AS value FROM checked_items WHERE reason IS NULL) "
            f"WHERE regexp_matches(value, {literal(pattern)})",
        )
        if rows:
            yield f"{rows:,} values of {name} look like packed lists, such as {in_quotes(first)}: part its values by |."


def _undeclared(db: duckdb.DuckDBPyConnection, declared: Sequence[RelationSettings]) -> Iterator[str]:
    found = db.execute(
        f"SELECT relation, count(*) AS rows FROM checked_relations WHERE reason = {literal(UNDECLARED)} "
        "GROUP BY relation ORDER BY rows DESC, relation"
    ).fetchall()
    if found:
        counted = ", ".join(f"{in_quotes(name)} ({rows:,} rows)" for name, rows in found[:_LISTED])
        more = f" and {len(found) - _LISTED:,} more" if len(found) > _LISTED else ""
        names = ",".join([*map(str, declared), *(name for name, _ in found[:_LISTED])])
        yield (
            f"relations has {counted}{more}, which no setting declares, so they are left out: declare what you want to "
            f"use, for example --set graph.relations={names}."
        )


def _users(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Without a user of two items there is no edge; one of most rows stands for all that are not signed in."""
    users, of_two, rows, most, user = one_row(
        db,
        "SELECT count(*), count(*) FILTER (least <> most), sum(rows), max(rows), max_by(user_id, rows) FROM "
        "(SELECT user_id, min(item_id) AS least, max(item_id) AS most, count(*) AS rows "
        f"FROM {_USED} GROUP BY user_id)",
    )
    if users and not of_two:
        yield "No user has two items: there is nothing to relate items by, so the graph would have no edge."
    if users >= _SOME and rows >= _MANY and most > rows / 2 and user.lower() not in _NOBODY:
        yield (
            f"{most:,} of {rows:,} interactions are of the user {in_quotes(user)}: leave them out if that is "
            "whoever is not signed in."
        )


def _no_features(columns: Mapping[str, str]) -> Iterator[str]:
    for name, sql_type in columns.items():
        if name.lower() not in USERS.column_names and not is_feature(sql_type):
            yield (
                f"The column {in_quotes(name)} of users is {sql_type}: it is left out, since a feature is numbers or "
                "text; give each of several numbers a column of its own."
            )


def _early_years(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Numbers of months, say, or years of two digits: `published` may be a year, and some works are that old."""
    items, first, year = one_row(
        db,
        "SELECT count(*), arg_min(item_id, published), min(year(published)) FROM checked_items "
        f"WHERE reason IS NULL AND year(published) < {_EARLY}",
    )
    if items:
        yield (
            f"{items:,} items were published before the year {_EARLY}, {in_quotes(first)} in the year {year}, say: is "
            "that what the number means?"
        )


def _available_nowhere(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Items all of whose rows were set aside."""
    items, first = one_row(
        db,
        "SELECT count(*), min(item_id) FROM (SELECT item_id FROM checked_availability WHERE item IS NOT NULL "
        "GROUP BY item_id HAVING count(*) = count(reason))",
    )
    if items:
        yield (
            f"Not one row of availability can be used for {items:,} items, such as {in_quotes(first)}: they are shown "
            "nowhere until one can."
        )
