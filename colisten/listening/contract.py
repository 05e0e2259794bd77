"""The data contract: tables, columns, and the SQL that reads a value of each kind.

A column of kind *time*, say, may come as integer seconds, as a timestamp or as text; `Kind.forms` holds one SQL
expression for each form, so that a Parquet file and a CSV file with the same content give the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from colisten.errors import DataError
from colisten.listening import values

_INTEGERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "", "BIG", "HUGE")} | {
    "INTEGER",
    "UINTEGER",
}


@dataclass(frozen=True)
class Kind:
    """How a column of some meaning is read.

    `noun` is what a value should be, in words, `sql_type` its DuckDB type, and `forms` has the SQL per form that it may
    come in. `fallible`: a value may be there and yet not be readable. `words`: text such as NULL or nan is no value.
    """

    noun: str
    sql_type: str
    forms: Mapping[str, str]
    fallible: bool = True
    words: bool = True


@dataclass(frozen=True)
class Column:
    """A column of a table; a `required` column must be there, though single values may be missing."""

    name: str
    kind: Kind
    required: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the contract; `extra`: further columns are features, not ignored."""

    name: str
    columns: tuple[Column, ...]
    required: bool = True
    extra: bool = False
    column_names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "column_names", frozenset(column.name for column in self.columns))


_FINITE = "CASE WHEN isnan({c}) THEN NULL ELSE {c} END"
_EPOCH = "TRY(CAST(epoch(TRY_CAST({c} AS TIMESTAMPTZ)) AS BIGINT))"
_MOMENT = f"coalesce(TRY_CAST({{c}} AS BIGINT), {_EPOCH})"
_NUMBER = "CASE WHEN isfinite(TRY_CAST({c} AS FLOAT)) THEN TRY_CAST({c} AS FLOAT) END"
_NUMBERS = """CASE
    WHEN len(list_filter(TRY_CAST({c} AS FLOAT[]), lambda x: isfinite(x))) = len(TRY_CAST({c} AS FLOAT[]))
    THEN TRY_CAST({c} AS FLOAT[]) END"""
_WHOLE = "TRY_CAST({c} AS BIGINT)"
_LAST_SECOND = 253_402_300_799
"""Of the year 9999."""
_DAY = 86_400


def _edge(noun: str, *, of_day: int) -> Kind:
    """A moment; a day (no time is given, or a number such as 20260131) stands for its begin, so many seconds later."""
    day = "CASE WHEN {c} BETWEEN 19000101 AND 99991231 THEN try_strptime({c}::VARCHAR, '%Y%m%d') END"
    whole = f"coalesce(epoch({day})::BIGINT + {of_day}, CASE WHEN {{c}} <= {_LAST_SECOND} THEN {{c}} END)"
    number = whole.format(c=f"({_WHOLE})")
    is_day = r"regexp_full_match(trim({c}), '\d{{4}}-\d{{2}}-\d{{2}}')"
    text = f"coalesce({number}, {_EPOCH} + CASE WHEN {is_day} THEN {of_day} ELSE 0 END)"
    time = f"{_EPOCH} + CASE WHEN typeof({{c}}) = 'DATE' THEN {of_day} ELSE 0 END"
    return Kind(noun, "BIGINT", {"integer": number, "fraction": number, "text": text, "time": time})


_TRIMMED_ID = f"nullif({values.TRIMMED}, '')"

IDENTIFIER = Kind(
    "text", "VARCHAR", {"text": _TRIMMED_ID, "integer": "{c}", "bytes": _TRIMMED_ID},
    fallible=False, words=False,
)  # fmt: skip
TEXT = Kind("text", "VARCHAR", {"text": "{c}", "integer": "{c}", "fraction": "{c}", "bytes": "{c}"}, fallible=False)
TITLE = replace(TEXT, forms={**TEXT.forms, "text": values.COMPOSED, "bytes": values.COMPOSED})
_NAME = f"nullif({values.COMPOSED.format(c=values.TRIMMED)}, '')"
NAME = replace(TEXT, forms={**TEXT.forms, "text": _NAME, "bytes": _NAME})
TEXTS = Kind(
    "a list of text", "VARCHAR[]", {"text": values.SPLIT_LIST, "texts": values.LIST, "numbers": values.LIST},
    fallible=False,
)  # fmt: skip
TIME = Kind("seconds or a time", "BIGINT", {"integer": _WHOLE, "fraction": _WHOLE, "text": _MOMENT, "time": _EPOCH})
NUMBER = Kind("a finite number", "FLOAT", {"integer": _NUMBER, "fraction": _NUMBER, "text": _NUMBER, "truth": _NUMBER})
DATE = Kind(
    "a date", "DATE",
    {"time": values.DAY_OF_TIME, "text": values.DAY_OF_TEXT, "integer": values.DAY_OF_NUMBER,
     "fraction": values.DAY_OF_NUMBER},
)  # fmt: skip
FROM = _edge("seconds, a time or a day", of_day=0)
UNTIL = _edge("seconds, a time or a day", of_day=_DAY)
"""The first second at which something is over: after a day, where one is named."""
NUMBERS = Kind("a list of finite numbers", "FLOAT[]", {"text": _NUMBERS, "numbers": _NUMBERS})

INTERACTIONS = Table(
    "interactions",
    (
        Column("user_id", IDENTIFIER, required=True),
        Column("item_id", IDENTIFIER, required=True),
        Column("item_type", IDENTIFIER, required=True),
        Column("signal", IDENTIFIER, required=True),
        Column("timestamp", TIME, required=True),
        Column("value", NUMBER),
    ),
)
ITEMS = Table(
    "items",
    (
        Column("item_id", IDENTIFIER, required=True),
        Column("item_type", IDENTIFIER, required=True),
        Column("title", TITLE, required=True),
        Column("description", TEXT),
        Column("language", TEXT),
        Column("genres", TEXTS),
        Column("creators", TEXTS),
        Column("published", DATE),
        Column("series", NAME),
        Column("series_position", NUMBER),
    ),
)
USERS = Table(
    "users", (Column("user_id", IDENTIFIER, required=True), Column("taste", NUMBERS)), required=False, extra=True
)
RELATIONS = Table(
    "relations",
    (
        Column("src_item_id", IDENTIFIER, required=True),
        Column("dst_item_id", IDENTIFIER, required=True),
        Column("relation", IDENTIFIER, required=True),
        Column("weight", NUMBER),
    ),
    required=False,
)
AVAILABILITY = Table(
    "availability",
    (
        Column("item_id", IDENTIFIER, required=True),
        Column("country", IDENTIFIER),
        Column("from", FROM),
        Column("until", UNTIL),
    ),
    required=False,
)
TABLES = (ITEMS, USERS, RELATIONS, AVAILABILITY, INTERACTIONS)


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def form_of(sql_type: str) -> str:
    """The form that a column of this DuckDB type comes in; "other" suits no kind."""
    name = sql_type.upper().split("(")[0]
    if name.endswith("]"):
        inner = form_of(sql_type[: sql_type.rindex("[")])
        return {"text": "texts", "integer": "numbers", "fraction": "numbers", "null": "null"}.get(inner, "other")
    if name in _INTEGERS:
        return "integer"
    if name.startswith(("TIMESTAMP", "DATE")):
        return "time"
    forms = {"FLOAT": "fraction", "DOUBLE": "fraction", "DECIMAL": "fraction", '"NULL"': "null",
             "VARCHAR": "text", "ENUM": "text", "UUID": "text", "BOOLEAN": "truth", "BLOB": "bytes"}  # fmt: skip
    return forms.get(name, "other")


def null_if_missing(name: str, sql_type: str, *, words: bool = True) -> str:
    """SQL of the column, NULL for empty text, NaN and, if `words`, for text such as NULL or nan."""
    column, form = quoted(name), form_of(sql_type)
    if form in {"text", "bytes"}:
        text = f"nullif({values.BYTES.format(c=column) if form == 'bytes' else f'{column}::VARCHAR'}, '')"
        return values.PRESENT.format(c=text) if words else text
    return _FINITE.format(c=column) if form == "fraction" and sql_type in {"FLOAT", "DOUBLE"} else column


def check_form(where: str, column: Column, sql_type: str) -> None:
    """Check the type of a column of `where`, a file or a table.

    Raises:
        DataError: no value of this type can be what the column should be.
    """
    if form_of(sql_type) not in {*column.kind.forms, "null"}:
        raise DataError(
            f"The column {column.name!r} of {where} should hold {column.kind.noun}, but its type is {sql_type}: write "
            "it with another type."
        )


def parse_sql(table: Table, column: Column, sql_type: str | None) -> str:
    """SQL that parses the column as its kind, NULL where a value is missing or cannot be read.

    `sql_type` is the DuckDB type in the source, None where there is no such column.

    Raises:
        DataError: no value of this type can be what the column should be.
    """
    if sql_type is None or form_of(sql_type) == "null":
        return f"NULL::{column.kind.sql_type}"
    check_form(table.name, column, sql_type)
    value = null_if_missing(column.name, sql_type, words=column.kind.words)
    return f"({column.kind.forms[form_of(sql_type)].format(c=f'({value})')})::{column.kind.sql_type}"
