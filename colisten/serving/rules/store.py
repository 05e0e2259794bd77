"""Rules that are set while answers are given: withdrawn items, allow and deny lists, boosts, in `W/rules.sqlite`.

Every process that answers asks before each answer whether the file has changed (some microseconds), so that a rule
holds from the next answer on. A rule is on the disk when the call that sets it returns.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from colisten.errors import SettingsError
from colisten.serving.rules.availability import Window
from colisten.sqlite_files import SqliteErrors, transaction

Kind = Literal["withdraw", "deny", "allow", "boost"]
Field = Literal["item", "creator", "genre"]
EVERYBODY = ""
"""Stands for all users: no user has an empty id."""
MOST_BOOST = 1000.0
_SECONDS = 10
_ALL = "SELECT kind, field, value, user_id, amount FROM rules ORDER BY user_id, kind, field, value"
_OF_USERS = """
SELECT kind, field, value, user_id, amount FROM rules
WHERE user_id IN (SELECT value FROM json_each(?)) ORDER BY user_id, kind, field, value
"""
_ONE_OF_A_USER = "SELECT kind, field, value, user_id, amount FROM rules WHERE user_id <> '' LIMIT 1"
_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS rules (
        user_id TEXT NOT NULL, kind TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, amount REAL NOT NULL,
        PRIMARY KEY (user_id, kind, field, value)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE IF NOT EXISTS availability (item_id TEXT PRIMARY KEY, windows TEXT NOT NULL)",
)


class RuleKey(NamedTuple):
    """What names a rule: there is one of each at most."""

    kind: Kind
    field: Field
    value: str
    """An item's id, or the name of a creator or genre, however its letters are written."""
    user_id: str = EVERYBODY


@dataclass(frozen=True)
class Rule:
    """One rule.

    - `withdraw` an item: it is shown to nobody.
    - `deny` an item, or all of a creator or genre: they are not shown.
    - `allow`: where there is any such rule, only what one of them names is shown, and of that nothing that is denied.
      The list of a user narrows that of everybody.
    - `boost`: `amount` is added to the scores of these items, for everybody.
    """

    kind: Kind
    field: Field
    value: str
    """An item's id, or the name of a creator or genre, however its letters are written."""
    user_id: str = EVERYBODY
    amount: float = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind) or self.field not in get_args(Field):
            raise SettingsError("A rule is to deny, allow or boost an item, a creator or a genre.")
        if not self.value:
            raise SettingsError(f"Name the {self.field} that the rule is for.")
        if self.kind == "withdraw" and self.field != "item":
            raise SettingsError(f"Items are withdrawn one by one: deny the {self.field} {self.value!r} instead.")
        if self.kind in ("withdraw", "boost") and self.user_id:
            raise SettingsError(f"A {self.kind} is for everybody: only allow and deny are for one user.")
        if self.kind == "boost" and not 0 < self.amount <= MOST_BOOST:
            raise SettingsError(f"A boost is above 0 and at most {MOST_BOOST:g}: to show less of something, deny it.")

    @property
    def key(self) -> RuleKey:
        """What names it."""
        return RuleKey(self.kind, self.field, self.value, self.user_id)

    def as_json(self) -> dict[str, object]:
        """As it is listed."""
        listed: dict[str, object] = {"rule": self.kind, "field": self.field, "value": self.value}
        if self.user_id:
            listed["user_id"] = self.user_id
        return listed | ({"amount": self.amount} if self.kind == "boost" else {})


class RuleStore:
    """The rules of a working folder. A reader keeps its connection: `close` it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._errors = SqliteErrors(
            path,
            full="No space is left on the disk: free some and set the rule again.",
            todo="answers wait until it can, as rules stand in it.",
        )
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def add(self, rules: Sequence[Rule]) -> int:
        """Set rules, durably, all or none; returns how many were not there so. A boost replaces that of before."""
        with self._writing() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT INTO rules (kind, field, value, user_id, amount) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET amount = excluded.amount WHERE amount <> excluded.amount",
                [(rule.kind, rule.field, rule.value, rule.user_id, rule.amount) for rule in rules],
            )
            return connection.total_changes - before

    def remove(self, keys: Sequence[RuleKey]) -> int:
        """Take rules back, durably, all or none; returns how many were there."""
        if not self._path.exists():
            return 0
        with self._writing() as connection:
            before = connection.total_changes
            connection.executemany("DELETE FROM rules WHERE kind = ? AND field = ? AND value = ? AND user_id = ?", keys)
            return connection.total_changes - before

    def forget(self, user_id: str) -> int:
        """Remove the rules of one user; returns how many there were."""
        return self.remove([rule.key for rule in self.of_users([user_id])])

    def rules(self) -> list[Rule]:
        """All there are."""
        return self._read(_ALL)

    def of_users(self, user_ids: Sequence[str]) -> list[Rule]:
        """The rules of each of these users alone (or of `EVERYBODY`)."""
        return self._read(_OF_USERS, json.dumps(list(user_ids)))

    def tell_availability(self, item_id: str, windows: Sequence[Window]) -> None:
        """Set an item's rows of availability, durably, in place of those of the data; none: everywhere and always."""
        with self._writing() as connection:
            connection.execute("REPLACE INTO availability VALUES (?, ?)", (item_id, json.dumps(windows)))

    def untell_availability(self, item_id: str) -> bool:
        """Let those of the data hold again, durably; returns whether others were set."""
        if not self._path.exists():
            return False
        with self._writing() as connection:
            return connection.execute("DELETE FROM availability WHERE item_id = ?", (item_id,)).rowcount > 0

    def told_availability(self) -> dict[str, list[Window]]:
        """The rows that were set, by item."""
        found = self._rows("availability", "SELECT item_id, windows FROM availability")
        return {item_id: [Window(*row) for row in json.loads(windows)] for item_id, windows in found}

    def any_personal(self) -> bool:
        """Whether any user has rules of their own."""
        return bool(self._read(_ONE_OF_A_USER))

    def version(self) -> int:
        """A number that is another one after each change by anybody; 0 while nobody has set a rule."""
        connection = self._opened()
        if connection is None:
            return 0
        with self._errors.told():
            return int(connection.execute("PRAGMA data_version").fetchone()[0]) + (self._inode << 32)

    def _read(self, query: str, *parameters: str) -> list[Rule]:
        return [Rule(*row) for row in self._rows("rules", query, *parameters)]

    def _rows(self, table: str, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        connection = self._opened()
        if connection is None:
            return []
        with self._errors.told():
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchall():
                return []  # whoever was to set the first rule was killed
            return connection.execute(query, parameters).fetchall()

    def _opened(self) -> sqlite3.Connection | None:
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            self.close()
            return None
        if self._connection is None or inode != self._inode:
            self.close()
            with self._errors.told():
                self._connection = sqlite3.connect(self._path, timeout=_SECONDS, isolation_level=None)
            self._inode = inode
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._path.touch(mode=0o600)  # rules of users are theirs
        with (
            self._errors.told(),
            closing(sqlite3.connect(self._path, timeout=_SECONDS, isolation_level=None)) as connection,
        ):
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA secure_delete = ON")
            with transaction(connection):
                for table in _SCHEMA:
                    connection.execute(table)
                yield connection
