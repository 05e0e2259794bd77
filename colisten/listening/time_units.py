"""Units of times: seconds are expected, but whole columns come in milliseconds or as day numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb

from colisten.listening.contract import TIME, Kind, Table, form_of, null_if_missing
from colisten.listening.raw import one_row

_LOOKED_AT = 100_000
_MOST = 0.99
_BETWEEN = "{c} >= %d AND {c} < %d"


@dataclass(frozen=True)
class _Unit:
    """A unit: what it is called, the SQL condition that numbers in it meet, and the SQL of seconds; both of DOUBLE."""

    name: str
    condition: str
    seconds: str


_UNITS = (
    _Unit("milliseconds", _BETWEEN % (10**11, 10**14), "floor({c} / 1e3)"),
    _Unit("microseconds", _BETWEEN % (10**14, 10**17), "floor({c} / 1e6)"),
    _Unit("nanoseconds", _BETWEEN % (10**17, 10**19), "floor({c} / 1e9)"),
    _Unit(
        "days such as 20240115",
        "{c} BETWEEN 19700101 AND 21001231 AND try_strptime(TRY_CAST({c} AS BIGINT)::VARCHAR, '%Y%m%d') IS NOT NULL",
        "epoch(try_strptime(TRY_CAST({c} AS BIGINT)::VARCHAR, '%Y%m%d'))",
    ),
    _Unit("days of a spreadsheet (1 is 1900-01-01)", _BETWEEN % (36_526, 55_000), "round(({c} - 25569) * 86400)"),
)


def with_unit(db: duckdb.DuckDBPyConnection, table: Table, columns: Mapping[str, str]) -> tuple[Table, str | None]:
    """The table with its column of times read in the unit that its first rows have; says so if it is not seconds.

    A unit is recognised where nearly all numbers lie where seconds would be in the year 5000 or in one hour of 1970.
    """
    column = next(column for column in table.columns if column.kind is TIME)
    sql_type = columns.get(column.name, '"NULL"')
    if form_of(sql_type) not in {"integer", "fraction", "text"}:
        return table, None
    number = f"TRY_CAST({null_if_missing(column.name, sql_type)} AS DOUBLE)"
    met = ", ".join(f"count(*) FILTER ({unit.condition.format(c='number')})" for unit in _UNITS)
    seen, *found = one_row(
        db,
        f"SELECT count(number), {met} FROM (SELECT {number} AS number FROM raw_{table.name} LIMIT {_LOOKED_AT})",
    )
    unit = next((unit for unit, rows in zip(_UNITS, found, strict=True) if seen and rows >= _MOST * seen), None)
    if unit is None:
        return table, None
    changed = tuple(replace(one, kind=_kind(unit)) if one is column else one for one in table.columns)
    return replace(table, columns=changed), f"{column.name} of {table.name} holds {unit.name}: it is read as such."


def _kind(unit: _Unit) -> Kind:
    seconds = f"TRY_CAST({unit.seconds.format(c='TRY_CAST({c} AS DOUBLE)')} AS BIGINT)"
    text = f"CASE WHEN TRY_CAST({{c}} AS DOUBLE) IS NULL THEN {TIME.forms['text']} ELSE {seconds} END"
    return replace(TIME, forms={**TIME.forms, "integer": seconds, "fraction": seconds, "text": text})
