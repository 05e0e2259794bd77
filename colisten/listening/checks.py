"""Row-level validation in SQL: each table becomes `checked_<table>`, where `reason` says why a row is rejected.

A row has at most one reason, the first that applies; `row` is the source row as JSON, kept only for rejected ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from colisten.errors import DataError
from colisten.listening.contract import (
    INTERACTIONS,
    ITEMS,
    USERS,
    Column,
    Table,
    form_of,
    literal,
    null_if_missing,
    parse_sql,
    quoted,
)  # fmt: skip
from colisten.listening.files import FILE, LINE
from colisten.listening.raw import Raw, one_row

_YEAR_2100 = 4_102_444_800
NO_ITEM = "item_id is not in the catalogue"
OTHER_TYPE = "item_type contradicts the catalogue"
OTHER_TYPE_BEFORE = "item_type is another than in an earlier import (a new type needs a new item_id)"
REPEATED = "user_id was there before"

Rules = list[tuple[str, str]]
"""Pairs of a reason and the SQL condition under which it applies, in order."""


def check_items(db: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> None:
    """Fill `checked_items`: the columns of the contract, then `file`, `line`, `reason`, `row`.

    Needs `earlier_items`: a row number belongs to a type for life, so an item that changes its type is rejected.
    """
    _check(
        db, ITEMS, columns, [*_basic_rules(ITEMS, columns), (OTHER_TYPE_BEFORE, "earlier_type <> item_type")],
        join="LEFT JOIN (SELECT item_id AS earlier_id, item_type AS earlier_type FROM earlier_items) "
        "ON item_id = earlier_id",
    )  # fmt: skip


def check_users(db: duckdb.DuckDBPyConnection, raw: Raw) -> dict[str, str]:
    """Fill `checked_users` likewise, with all feature columns in one struct `features`.

    Returns, per feature, the SQL that takes it from `features`, as DOUBLE or VARCHAR; a feature from CSV is DOUBLE if
    every value is a number.

    Raises:
        DataError: a feature is neither numbers nor text, or has a name that is taken.
    """
    features = {name: kind for name, kind in raw.columns.items() if name.lower() not in USERS.column_names}
    if not raw.columns:
        db.execute("CREATE TABLE checked_users (user_id VARCHAR, taste FLOAT[], file VARCHAR, line BIGINT, "
                   "reason VARCHAR, row VARCHAR)")  # fmt: skip
        return {}
    rules = _basic_rules(USERS, raw.columns)
    rules.append((REPEATED, f"row_number() OVER (PARTITION BY user_id ORDER BY {quoted(FILE)}, {quoted(LINE)}) > 1"))
    rules.append(("taste has another length than most", "len(taste) <> mode(len(taste)) OVER ()"))
    packed = ", ".join(f"{quoted(name)} := original.{quoted(name)}" for name in features)
    extra = [f"struct_pack({packed}) AS features"] if features else []
    _check(db, USERS, raw.columns, rules, extra=extra)
    return {name: _feature(db, name, kind, typed=raw.typed) for name, kind in features.items()}


def check_interactions(
    db: duckdb.DuckDBPyConnection, columns: Mapping[str, str], *, taste: Sequence[str], ignored: Sequence[str]
) -> None:
    """Fill `checked_interactions`; needs `numbered_items` (item, item_id, item_type, retired).

    `item` is null for items of a `taste` type, and `ignored` is true for rows with an ignored signal, which are not
    checked further.
    """
    is_taste, is_ignored = _is_one_of("item_type", taste), _is_one_of("signal", ignored)
    rules = _basic_rules(INTERACTIONS, columns)
    rules += [
        ("timestamp is before 1970", "timestamp < 0"),
        ("timestamp is after 2100 (seconds are expected)", f"timestamp > {_YEAR_2100}"),
        (NO_ITEM, f"catalogue_type IS NULL AND NOT {is_taste}"),
        (OTHER_TYPE, "catalogue_type <> item_type"),
    ]
    _check(
        db, INTERACTIONS, columns, [(reason, f"NOT {is_ignored} AND ({condition})") for reason, condition in rules],
        extra=[f"{is_ignored} AS ignored"],
        join="LEFT JOIN (SELECT item, item_id AS known_id, item_type AS catalogue_type FROM numbered_items "
        "WHERE NOT retired UNION ALL SELECT NULL, item_id, item_type FROM checked_items "
        f"WHERE reason IS NULL AND {is_taste}) ON item_id = known_id",
        joined=("item",),
    )  # fmt: skip


def _check(
    db: duckdb.DuckDBPyConnection, table: Table, columns: Mapping[str, str], rules: Rules,
    *, extra: Sequence[str] = (), join: str = "", joined: Sequence[str] = (),
) -> None:  # fmt: skip
    parsed = [f"{parse_sql(table, column, columns.get(column.name))} AS {column.name}" for column in table.columns]
    original = ", ".join(f"{quoted(name)} := {quoted(name)}" for name in columns)
    cases = " ".join(f"WHEN {condition} THEN {literal(reason)}" for reason, condition in rules)
    names = ", ".join([*(column.name for column in table.columns), *joined])
    db.execute(f"""
        CREATE TABLE checked_{table.name} AS
        SELECT {names}, {"".join(part + ", " for part in extra)}
            {quoted(FILE)} AS file, {quoted(LINE)} AS line,
            CASE {cases} END AS reason, CASE WHEN reason IS NOT NULL THEN to_json(original)::VARCHAR END AS row
        FROM (SELECT {", ".join(parsed)}, struct_pack({original}) AS original, {quoted(FILE)}, {quoted(LINE)}
              FROM raw_{table.name}) {join}""")
    _refuse_unreadable_columns(db, table, columns)


def _basic_rules(table: Table, columns: Mapping[str, str]) -> Rules:
    """A required value is missing, or a value is there and cannot be read."""
    ids = [column.name for column in table.columns if column.required and column.name not in ("title", "timestamp")]
    unread = [column for column in table.columns if column.name in columns and column.kind.fallible]
    return [(f"{name} is missing", f"{name} IS NULL") for name in ids] + [
        (_unreadable(column), f"{column.name} IS NULL AND {_source_value(column, columns)} IS NOT NULL")
        for column in unread
    ]


def _unreadable(column: Column) -> str:
    return f"{column.name} is not {column.kind.noun}"


def _source_value(column: Column, columns: Mapping[str, str]) -> str:
    """SQL of the value in the source row."""
    sql = null_if_missing(column.name, columns[column.name])
    return sql.replace(quoted(column.name), f"original.{quoted(column.name)}")


def _is_one_of(column: str, names: Sequence[str]) -> str:
    """SQL that is true where the column is one of the names, else false, never NULL."""
    return f"coalesce({column} IN ({', '.join(map(literal, names))}), false)" if names else "false"


def _feature(db: duckdb.DuckDBPyConnection, name: str, sql_type: str, *, typed: bool) -> str:
    """SQL of a feature from the struct: numbers as DOUBLE, all else as text."""
    form = form_of(sql_type)
    if name.lower() == "user":
        raise DataError("The column 'user' of users has a name that Colisten needs: rename it.")
    if form not in {"integer", "fraction", "text", "truth", "time", "null"}:
        raise DataError(f"The column {name!r} of users is {sql_type}: a feature is numbers or text, so leave it out.")
    value = null_if_missing(name, sql_type).replace(quoted(name), f"features.{quoted(name)}")
    number = f"TRY_CAST({value} AS DOUBLE)"
    if form in {"integer", "fraction"} or (not typed and _all_numbers(db, value, number)):
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    return f"({value})::VARCHAR"


def _all_numbers(db: duckdb.DuckDBPyConnection, value: str, number: str) -> bool:
    present, numbers = one_row(db, f"SELECT count({value}), count({number}) FROM checked_users WHERE reason IS NULL")
    return bool(present == numbers > 0)


def _refuse_unreadable_columns(db: duckdb.DuckDBPyConnection, table: Table, columns: Mapping[str, str]) -> None:
    for column in table.columns:
        if column.name not in columns or not column.kind.fallible:
            continue
        failing = f"count(*) FILTER (reason = {literal(_unreadable(column))})"
        read, failed = one_row(db, f"SELECT count({column.name}), {failing} FROM checked_{table.name}")
        if failed and not read:
            raise DataError(
                f"No value of the column {column.name!r} of {table.name} is {column.kind.noun}: is it the right column?"
            )
