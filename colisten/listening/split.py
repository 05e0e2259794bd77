"""Train–test splits, by time or by hold-out.

- `OUT/train/`: again a folder of the contract.
- `OUT/test.parquet` (user_id, item_id): the held-out streams of the target type, of items that the user had not
  streamed before.
- `OUT/values.parquet` (user_id, item_id, value), where the data has values: their sums.
- `OUT/users.csv`: the users in them, one id a line.
- `OUT/split.json`: a `SplitSummary`.

By time, nothing at or after the cut is in `train/interactions.parquet`. All other tables are passed on whole: an item
without listeners is part of the catalogue, and has to be found by its text and its relations.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from colisten.errors import DataError
from colisten.listening.contract import (
    AVAILABILITY,
    INTERACTIONS,
    ITEMS,
    RELATIONS,
    TABLES,
    USERS,
    literal,
    parse_sql,
    quoted,
)
from colisten.listening.files import FILE, LINE, Source
from colisten.listening.raw import database, one_row, open_table
from colisten.listening.time_units import with_unit
from colisten.listening.times import usual_end
from colisten.settings import Settings
from colisten.workdir import replacing_folder

_SECONDS_A_DAY = 86_400
_MARK = "split.json"


@dataclass(frozen=True)
class ByDays:
    """Time split: hold out the last `days` before the end of the data; rows without a time are left out.

    The end is that of the usual range of times: what a few wrong clocks put behind it is left out.
    """

    days: float


@dataclass(frozen=True)
class ByQuantile:
    """Time split: cut at this quantile of the times of the target type's streams."""

    quantile: float = 0.8


@dataclass(frozen=True)
class HoldOut:
    """Random hold-out, for data without times: a share of each user's target items, weak signals on them included.

    For a share of `cold` users, all events of the target type are held out, if they have any others.
    """

    share: float = 0.2
    cold: float = 0.1


@dataclass(frozen=True)
class SplitSummary:
    """The content of split.json; `strong` joined by commas, `cut` in seconds (0 for a hold-out), `train` in rows."""

    target: str
    strong: str
    cut: float
    test_users: int
    test_pairs: int
    train: int


def split_data(
    source: str, out: Path, settings: Settings, how: ByDays | ByQuantile | HoldOut, also: Sequence[str] = ()
) -> SplitSummary:
    """Split the data in `source` for `settings.target` and write it to `out`, replacing it in one step.

    `also`: further item types whose streams are held out as test pairs; the cut is the target's.

    Raises:
        DataError: the data cannot be read, has no times to cut by, or nothing is left to test.
    """
    opened = Source.open(source)
    with replacing_folder(out, _MARK) as draft, tempfile.TemporaryDirectory(dir=draft) as scratch:
        train = draft / "train"
        train.mkdir()
        with database(Path(scratch), opened, settings.listening.memory_mb) as db:
            _open(db, opened, train, Path(scratch), settings, also)
            cut = _hold_out(db, how, settings.seed) if isinstance(how, HoldOut) else _cut(db, how)
            summary = _save(db, draft, cut, settings)
    return summary


def _open(
    db: duckdb.DuckDBPyConnection, source: Source, train: Path, scratch: Path, settings: Settings, also: Sequence[str]
) -> None:
    """Make `events` (with `testable`: a stream of a type that is tested) and copy the other tables unchanged."""
    columns = {table.name: open_table(db, source, table, scratch).columns for table in TABLES}
    for table in (ITEMS, USERS, RELATIONS, AVAILABILITY):
        if columns[table.name]:
            own = f"SELECT * EXCLUDE ({quoted(FILE)}, {quoted(LINE)}) FROM raw_{table.name}"
            _copy(db, own, train / f"{table.name}.parquet")
    present = columns[INTERACTIONS.name]
    interactions, _ = with_unit(db, INTERACTIONS, present)
    parsed = ", ".join(
        f"{parse_sql(interactions, column, present.get(column.name))} AS {column.name}"
        for column in interactions.columns
    )
    strong = ", ".join(map(literal, settings.signals.strong))
    types = ", ".join(map(literal, [settings.target, *also]))
    item_id = parse_sql(ITEMS, ITEMS.columns[0], columns[ITEMS.name]["item_id"])
    db.execute(f"CREATE VIEW catalogue AS SELECT {item_id} AS item_id FROM raw_items")
    db.execute(f"""
        CREATE TABLE events AS
        SELECT
            *, item_type = {literal(settings.target)} AS of_target,
            item_type IN ({types}) AND signal IN ({strong}) AS testable
        FROM (SELECT {parsed} FROM raw_interactions)""")
    if not _number(db, "SELECT count(*) FROM events WHERE testable AND of_target"):
        raise DataError(
            f"There is no {' or '.join(settings.signals.strong)} of the target type {settings.target!r} to split: "
            "set target and signals.strong to what the data has."
        )


def _cut(db: duckdb.DuckDBPyConnection, how: ByDays | ByQuantile) -> float:
    """Make the views `seen` and `later`; everything at or after the returned second is later."""
    timed = _number(db, "SELECT count(timestamp) FROM events")
    untimed = _number(db, "SELECT count(*) FROM events") - timed
    if not timed or (untimed and isinstance(how, ByQuantile)):
        raise DataError(f"{untimed:,} interactions have no time, so no time can cut them: use a hold-out instead.")
    if isinstance(how, ByDays):
        end = usual_end(db, "events")
        cut = float(end - how.days * _SECONDS_A_DAY)
        db.execute(f"DELETE FROM events WHERE timestamp > {end}")
    else:
        times = db.execute("SELECT timestamp FROM events WHERE testable AND of_target").fetchnumpy()["timestamp"]
        cut = float(pl.Series(np.asarray(times)).quantile(how.quantile) or 0)
    db.execute(f"CREATE VIEW seen AS SELECT rowid, * FROM events WHERE timestamp < {cut!r}")
    db.execute(f"CREATE VIEW later AS FROM events WHERE timestamp >= {cut!r}")
    return cut


def _hold_out(db: duckdb.DuckDBPyConnection, how: HoldOut, seed: int) -> float:
    """Make the views `seen` and `later` from pairs drawn at random."""
    rng = np.random.default_rng(seed)
    query = (
        "SELECT user_id, item_id, bool_or(of_target) AS of_target FROM events WHERE testable GROUP BY ALL ORDER BY ALL"
    )
    pairs = db.sql(query).to_arrow_table()
    drawn = pl.DataFrame(pairs)
    users = drawn.select("user_id").unique(maintain_order=True)
    chance = users.with_columns(cold=pl.Series(rng.random(len(users)) < how.cold))
    others = pl.DataFrame(db.sql("SELECT DISTINCT user_id FROM events WHERE NOT of_target").to_arrow_table())
    cold = chance.filter("cold").join(others, on="user_id", how="semi").select("user_id")
    of_cold = drawn["of_target"] & drawn["user_id"].is_in(cold["user_id"].implode())
    hidden = drawn.filter(pl.Series(rng.random(len(drawn)) < how.share) | of_cold).drop("of_target")
    db.register("hidden_pairs", hidden.to_arrow())
    db.register("cold_users", cold.to_arrow())
    db.execute("CREATE TABLE hidden AS FROM hidden_pairs")
    db.execute("CREATE TABLE cold AS FROM cold_users")
    db.execute("""
        CREATE VIEW seen AS
        SELECT rowid, * FROM events
        WHERE (user_id, item_id) NOT IN (SELECT (user_id, item_id) FROM hidden)
            AND NOT (of_target AND user_id IN (FROM cold))""")
    db.execute("CREATE VIEW later AS FROM events SEMI JOIN hidden USING (user_id, item_id)")
    return 0.0


def _save(db: duckdb.DuckDBPyConnection, draft: Path, cut: float, settings: Settings) -> SplitSummary:
    db.execute("""
        CREATE TABLE test AS
        SELECT DISTINCT user_id, item_id FROM later
        ANTI JOIN (SELECT user_id, item_id FROM seen WHERE testable) USING (user_id, item_id)
        SEMI JOIN (SELECT user_id FROM seen) USING (user_id)
        SEMI JOIN catalogue USING (item_id)
        WHERE testable ORDER BY user_id, item_id""")
    _copy(db, "SELECT * EXCLUDE (rowid, of_target, testable) FROM seen ORDER BY rowid",
          draft / "train" / "interactions.parquet")  # fmt: skip
    _copy(db, "FROM test ORDER BY ALL", draft / "test.parquet")
    values = (
        "SELECT user_id, item_id, sum(value) AS value FROM later SEMI JOIN test USING (user_id, item_id) WHERE testable"
    )
    if _number(db, "SELECT count(value) FROM later WHERE testable"):
        _copy(db, f"{values} GROUP BY ALL ORDER BY ALL", draft / "values.parquet")
    users = pl.DataFrame(db.sql("SELECT DISTINCT user_id FROM test ORDER BY user_id").to_arrow_table())
    users.write_csv(draft / "users.csv", include_header=False)
    summary = SplitSummary(
        settings.target, ",".join(settings.signals.strong), cut, len(users),
        _number(db, "SELECT count(*) FROM test"), _number(db, "SELECT count(*) FROM seen"),
    )  # fmt: skip
    if not summary.test_pairs:
        raise DataError("After the cut no known user streamed anything new of the target type: cut earlier.")
    (draft / _MARK).write_text(json.dumps(asdict(summary)))
    return summary


def _copy(db: duckdb.DuckDBPyConnection, sql: str, path: Path) -> None:
    db.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def _number(db: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(one_row(db, sql)[0])
