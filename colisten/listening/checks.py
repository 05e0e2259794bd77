"""Row-level validation in SQL: each table becomes `checked_<table>`, where `reason` says why a row is rejected.

A row has at most one reason, the first that applies; `row` is the source row as JSON, kept only for rejected ones.
An optional value that cannot be read is missing and costs nothing else: `unread` says what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import duckdb

from colisten.errors import DataError
from colisten.listening.contract import (
    AVAILABILITY,
    ITEMS,
    RELATIONS,
    TITLE,
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
from colisten.listening.limits import LONGEST_ID, YEAR_2100
from colisten.listening.raw import Raw, one_row
from colisten.listening.values import BYTES
from colisten.relations import BUILT_IN, NAME

NO_ITEM = "item_id is not in the catalogue"
OTHER_TYPE = "item_type contradicts the catalogue"
OTHER_TYPE_BEFORE = "item_type is another than in an earlier import (a new type needs a new item_id)"
REPEATED = "user_id was there before"
SAME_ITEM = "the same row was there before"
OTHER_ROW = "item_id was there before, with other values"
UNDECLARED = "relation is not declared in graph.relations"
SAME_RELATION = "the same relation of the same items is there with at least this weight"

_UNREAD = "STRUCT(what VARCHAR, value VARCHAR)[]"
_SHOWN = 40
"""Letters of an unread value that are shown."""

Rules = Sequence[tuple[str, str]]
"""Pairs of a reason and the SQL condition under which it applies, in order."""
Compute = Callable[[duckdb.DuckDBPyConnection, str, str], None]
"""Makes the table or view of a name from a query."""
_TIME_RULES: Rules = (
    ("timestamp is before 1970", "timestamp < 0"),
    ("timestamp is after 2100 (seconds are expected)", f"timestamp > {YEAR_2100}"),
)


def on_this_machine(db: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    """Make the table `name` of the rows of `query`."""
    db.execute(f"CREATE TABLE {name} AS {query}")


def check_items(db: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> None:
    """Fill `checked_items`: the columns of the contract, then `file`, `line`, `unread`, `reason`, `row`.

    Needs `earlier_items`: a row number belongs to a type for life, so an item that changes its type is rejected. Of
    several usable rows of one item the first is kept.
    """
    of_item = f"OVER (PARTITION BY item_id, first_reason IS NULL ORDER BY {quoted(FILE)}, {quoted(LINE)})"
    content = f"hash({', '.join(column.name for column in ITEMS.columns)})"
    again = f"row_number() {of_item} > 1"
    _check(
        db, ITEMS, columns, [*_basic_rules(ITEMS, columns), (OTHER_TYPE_BEFORE, "earlier_type <> item_type")],
        late=[(SAME_ITEM, f"{again} AND {content} = first_value({content}) {of_item}"), (OTHER_ROW, again)],
        join="LEFT JOIN (SELECT item_id AS earlier_id, item_type AS earlier_type FROM earlier_items) "
        "ON item_id = earlier_id",
    )  # fmt: skip


def check_users(db: duckdb.DuckDBPyConnection, raw: Raw) -> dict[str, str]:
    """Fill `checked_users` likewise, with all feature columns in one struct `features`.

    Returns, per feature, the SQL that takes it from `features`, as DOUBLE or VARCHAR; a feature from CSV is DOUBLE if
    every value is a number. A column of neither is no feature.

    Raises:
        DataError: a feature has a name that is taken.
    """
    others = {name: kind for name, kind in raw.columns.items() if name.lower() not in USERS.column_names}
    features = {name: kind for name, kind in others.items() if is_feature(kind)}
    if not raw.columns:
        _without_rows(db, USERS)
        return {}
    again = f"row_number() OVER (PARTITION BY user_id ORDER BY {quoted(FILE)}, {quoted(LINE)}) > 1"
    rules = [*_basic_rules(USERS, raw.columns), (REPEATED, again)]
    packed = ", ".join(f"{quoted(name)} := original.{quoted(name)}" for name in features)
    extra = [f"struct_pack({packed}) AS features"] if features else []
    _check(db, USERS, raw.columns, rules, extra=extra)
    _leave_out_odd_tastes(db)
    return {name: _feature(db, name, kind, typed=raw.typed) for name, kind in features.items()}


def check_related_items(
    db: duckdb.DuckDBPyConnection, raw: Raw, *, declared: Sequence[str], taste: Sequence[str]
) -> None:
    """Fill `checked_relations`, with the items `src` and `dst`; needs `numbered_items`.

    Of rows with the same items and relation, the first with the greatest weight is kept; no weight is 1.
    """
    if not raw.columns:
        _without_rows(db, RELATIONS, ("src", "dst"))
        return
    weight = RELATIONS.columns[-1]
    unread = [(_unreadable(weight), _is_unread(weight, raw.columns))] if weight.name in raw.columns else []
    ends = [
        rule
        for end in ("src", "dst")
        for rule in (
            (f"{end}_item_id is not in the catalogue", f"{end}_id IS NULL"),
            (f"{end}_item_id is of a taste type, which is not in the graph", f"{end} IS NULL"),
        )
    ]
    of_pair = (
        f"OVER (PARTITION BY src, dst, relation, first_reason IS NULL ORDER BY coalesce(weight, 1) DESC, "
        f"{quoted(FILE)}, {quoted(LINE)})"
    )
    known = _catalogue(taste)
    _check(
        db, RELATIONS, raw.columns,
        [*_basic_rules(RELATIONS, raw.columns), *unread,
         ("weight is not above 0 and at most 1", "weight <= 0 OR weight > 1"),
         ("relation has the name of a built-in one", _is_one_of("relation", BUILT_IN)),
         ("relation is not a word of small letters, digits and underscores",
          f"NOT regexp_full_match(relation, {literal(NAME)})"),
         (UNDECLARED, f"NOT {_is_one_of('relation', declared)}"), *ends,
         ("an item is related to itself", "src = dst")],
        late=[(SAME_RELATION, f"row_number() {of_pair} > 1")],
        join=f"LEFT JOIN (SELECT item AS src, item_id AS src_id FROM ({known})) ON src_item_id = src_id "
        f"LEFT JOIN (SELECT item AS dst, item_id AS dst_id FROM ({known})) ON dst_item_id = dst_id",
        joined=("src", "dst"),
    )  # fmt: skip


def check_availability(db: duckdb.DuckDBPyConnection, raw: Raw, *, taste: Sequence[str]) -> None:
    """Fill `checked_availability`, with `item`; needs `numbered_items`.

    A row whose time cannot be read is set aside: it would hold longer than it was meant to.
    """
    if not raw.columns:
        _without_rows(db, AVAILABILITY, ("item",))
        return
    unread = [(_unreadable(edge), _is_unread(edge, raw.columns)) for edge in _fallible(AVAILABILITY, raw.columns)]
    again = 'row_number() OVER (PARTITION BY item, country, "from", until, first_reason IS NULL ORDER BY {}) > 1'
    _check(
        db, AVAILABILITY, raw.columns,
        [*_basic_rules(AVAILABILITY, raw.columns), (NO_ITEM, "known_id IS NULL"),
         ("item_id is of a taste type, which is never recommended", "item IS NULL"), *unread,
         ("until is not after from", 'until <= "from"')],
        late=[(SAME_ITEM, again.format(f"{quoted(FILE)}, {quoted(LINE)}"))],
        join=f"LEFT JOIN (SELECT item, item_id AS known_id FROM ({_catalogue(taste)})) ON item_id = known_id",
        joined=("item",),
    )  # fmt: skip


def check_interactions(
    db: duckdb.DuckDBPyConnection,
    table: Table,
    columns: Mapping[str, str],
    *,
    taste: Sequence[str],
    ignored: Sequence[str],
    compute: Compute = on_this_machine,
) -> None:
    """Fill `checked_interactions`; needs `numbered_items` (item, item_id, item_type, retired).

    `table` is `INTERACTIONS`, with the unit of its times; a row is checked by itself, so `compute` may do it in parts.
    `item` is null for items of a `taste` type, and `ignored` is true for rows with an ignored signal, which are not
    checked further.
    """
    is_taste, is_ignored = _is_one_of("item_type", taste), _is_one_of("signal", ignored)
    rules = [
        *_basic_rules(table, columns),
        *_TIME_RULES,
        (NO_ITEM, f"catalogue_type IS NULL AND NOT {is_taste}"),
        (OTHER_TYPE, "catalogue_type <> item_type"),
    ]
    _check(
        db, table, columns, [(reason, f"NOT {is_ignored} AND ({condition})") for reason, condition in rules],
        extra=[f"{is_ignored} AS ignored"],
        join="LEFT JOIN (SELECT item, item_id AS known_id, item_type AS catalogue_type "
        f"FROM ({_catalogue(taste)})) ON item_id = known_id",
        joined=("item",), compute=compute,
    )  # fmt: skip


def check_events(
    db: duckdb.DuckDBPyConnection, table: Table, columns: Mapping[str, str], *, signals: Sequence[str]
) -> None:
    """Fill `checked_events`; `table` is that of events, with the unit of its times.

    Other than in interactions, a time or value that cannot be read costs its row: whoever posts it can mend it.
    """
    unread = [(_unreadable(column), _is_unread(column, columns)) for column in _fallible(table, columns)]
    rules = [
        *_basic_rules(table, columns),
        *unread,
        (f"event_id is longer than {LONGEST_ID:,} bytes", f"strlen(event_id) > {LONGEST_ID}"),
        *_TIME_RULES,
        (f"signal is unknown: there are {', '.join(signals)}", f"NOT {_is_one_of('signal', signals)}"),
    ]
    _check(db, table, columns, rules)


def _catalogue(taste: Sequence[str]) -> str:
    """SQL of today's items (item, item_id, item_type); `item` is null for those of a `taste` type."""
    return (
        "SELECT item, item_id, item_type FROM numbered_items WHERE NOT retired UNION ALL "
        f"SELECT NULL, item_id, item_type FROM checked_items WHERE reason IS NULL AND {_is_one_of('item_type', taste)}"
    )


def _without_rows(db: duckdb.DuckDBPyConnection, table: Table, items: Sequence[str] = ()) -> None:
    """Fill `checked_<table>` for a table that is not there; `items`: columns of item numbers."""
    own = [f"{quoted(column.name)} {column.kind.sql_type}" for column in table.columns]
    numbers = [f"{name} INTEGER" for name in items]
    db.execute(
        f"CREATE TABLE checked_{table.name} ({', '.join([*own, *numbers])}, file VARCHAR, line BIGINT, "
        f"unread {_UNREAD}, reason VARCHAR, row VARCHAR)"
    )


def _check(
    db: duckdb.DuckDBPyConnection, table: Table, columns: Mapping[str, str], rules: Rules,
    *, extra: Sequence[str] = (), join: str = "", joined: Sequence[str] = (), late: Rules = (),
    compute: Compute = on_this_machine,
) -> None:  # fmt: skip
    """`late`: rules for rows that no other rule applies to; they may look at the others' `first_reason`."""
    parsed = [
        f"{parse_sql(table, column, columns.get(column.name))} AS {quoted(column.name)}" for column in table.columns
    ]
    original = ", ".join(f"{quoted(name)} := {quoted(name)}" for name in columns)
    names = ", ".join([*(quoted(column.name) for column in table.columns), *joined])
    query = f"""
        SELECT {names}, {"".join(part + ", " for part in extra)}
            {quoted(FILE)} AS file, {quoted(LINE)} AS line, {_unread(table, columns)} AS unread,
            {_first_that_applies(rules)} AS first_reason,
            coalesce(first_reason, {_first_that_applies(late)}) AS reason,
            CASE WHEN reason IS NOT NULL THEN to_json(original)::VARCHAR END AS row
        FROM (SELECT {", ".join(parsed)}, struct_pack({original}) AS original, {quoted(FILE)}, {quoted(LINE)}
              FROM raw_{table.name}) {join}"""
    compute(db, f"checked_{table.name}", f"SELECT * EXCLUDE (first_reason) FROM ({query})")
    _refuse_unreadable_columns(db, table, columns)


def _first_that_applies(rules: Rules) -> str:
    cases = " ".join(f"WHEN {condition} THEN {literal(reason)}" for reason, condition in rules)
    return f"CASE {cases} END" if rules else "NULL"


def _basic_rules(table: Table, columns: Mapping[str, str]) -> Rules:
    """A required value is missing, or there and not to be read, or an id is too long."""
    ids = [column.name for column in table.columns if column.required and column.name not in ("title", "timestamp")]
    unread = [column for column in _fallible(table, columns) if not _is_optional(column)]
    return (
        [(_unreadable(column), _is_unread(column, columns)) for column in unread if column.name in ids]
        + [(f"{name} is missing", f"{name} IS NULL") for name in ids]
        + [(f"{name} is longer than {LONGEST_ID:,} bytes", f"strlen({name}) > {LONGEST_ID}") for name in ids]
        + [(_unreadable(column), _is_unread(column, columns)) for column in unread if column.name not in ids]
    )


def _fallible(table: Table, columns: Mapping[str, str]) -> list[Column]:
    """Columns that may hold what cannot be read: bytes may always."""
    return [
        column
        for column in table.columns
        if column.name in columns and (column.kind.fallible or form_of(columns[column.name]) == "bytes")
    ]


def _is_optional(column: Column) -> bool:
    """Whether a value may be missing: an item may have no title, though there is the column."""
    return not column.required or column.kind is TITLE


def _unreadable(column: Column) -> str:
    return f"{column.name} is not {column.kind.noun}"


def _is_unread(column: Column, columns: Mapping[str, str]) -> str:
    value = _source_value(column.name, columns)
    if form_of(columns[column.name]) == "bytes":
        return f"{value} IS NOT NULL AND {BYTES.format(c=value)} IS NULL"
    return f"{quoted(column.name)} IS NULL AND {value} IS NOT NULL"


def _unread(table: Table, columns: Mapping[str, str]) -> str:
    """SQL of the optional values of a row that cannot be read."""
    found = [
        f"CASE WHEN {_is_unread(column, columns)} THEN struct_pack(what := {literal(_unreadable(column))}, "
        f"value := left(({_source_value(column.name, columns)})::VARCHAR, {_SHOWN})) END"
        for column in _fallible(table, columns)
        if _is_optional(column)
    ]
    if not found:
        return f"NULL::{_UNREAD}"
    return f"nullif(list_filter([{', '.join(found)}], lambda x: x IS NOT NULL), [])::{_UNREAD}"


def _source_value(name: str, columns: Mapping[str, str]) -> str:
    """SQL of the value in the source row, NULL where it stands for none; bytes as they are."""
    if form_of(columns[name]) == "bytes":
        return f"original.{quoted(name)}"
    return null_if_missing(name, columns[name]).replace(quoted(name), f"original.{quoted(name)}")


def _leave_out_odd_tastes(db: duckdb.DuckDBPyConnection) -> None:
    """A taste of another length than most is one that cannot be read."""
    db.execute(f"""
        UPDATE checked_users SET taste = NULL, unread = list_append(coalesce(unread, []::{_UNREAD}), struct_pack(
            what := 'taste has another length than most', value := left(taste::VARCHAR, {_SHOWN})))
        WHERE len(taste) <> (SELECT mode(len(taste)) FROM checked_users WHERE reason IS NULL)""")


def _is_one_of(column: str, names: Sequence[str]) -> str:
    """SQL that is true where the column is one of the names, else false, never NULL."""
    return f"coalesce({column} IN ({', '.join(map(literal, names))}), false)" if names else "false"


def is_feature(sql_type: str) -> bool:
    """Whether values of this DuckDB type can be a feature of users: numbers or text."""
    return form_of(sql_type) in {"integer", "fraction", "text", "truth", "time", "null"}


def _feature(db: duckdb.DuckDBPyConnection, name: str, sql_type: str, *, typed: bool) -> str:
    """SQL of a feature from the struct: numbers as DOUBLE, all else as text."""
    form = form_of(sql_type)
    if name.lower() == "user":
        raise DataError("The column 'user' of users has a name that Colisten needs: rename it.")
    value = null_if_missing(name, sql_type).replace(quoted(name), f"features.{quoted(name)}")
    number = f"TRY_CAST({value} AS DOUBLE)"
    if form in {"integer", "fraction"} or (not typed and _all_numbers(db, value, number)):
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    return f"({value})::VARCHAR"


def _all_numbers(db: duckdb.DuckDBPyConnection, value: str, number: str) -> bool:
    present, numbers = one_row(db, f"SELECT count({value}), count({number}) FROM checked_users WHERE reason IS NULL")
    return bool(present == numbers > 0)


def _refuse_unreadable_columns(db: duckdb.DuckDBPyConnection, table: Table, columns: Mapping[str, str]) -> None:
    """No value of a column can be read: of a required one, or of one that most rows have."""
    for column in _fallible(table, columns):
        what = literal(_unreadable(column))
        failing = f"count(*) FILTER (reason = {what} OR list_contains([one.what FOR one IN unread], {what}))"
        rows, read, failed = one_row(
            db, f"SELECT count(*), count({quoted(column.name)}), {failing} FROM checked_{table.name}"
        )
        if failed and not read and (column.required or 2 * failed > rows):
            raise DataError(
                f"No value of the column {column.name!r} of {table.name} is {column.kind.noun}: is it the right column?"
            )
