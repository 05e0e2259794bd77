"""Histories with what has happened since the profiles were written: the order, and no event twice, as a run has it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from colisten.arrays import Int64s
from colisten.errors import ColistenError
from colisten.listening.events.store import log_errors
from colisten.listening.histories import UserHistories
from colisten.ragged import offsets

_EVENTS = """
SELECT ids.key, items.item, signals.key, events.timestamp
FROM json_each(:ids) AS ids CROSS JOIN recent.events AS events ON events.user_id = ids.value AND events.seq > :after
JOIN items ON items.item_id = events.item_id AND NOT items.retired
JOIN json_each(:signals) AS signals ON signals.value = events.signal
"""
"""Place of the user, item, code of the signal, seconds; without items and signals that the profiles do not know."""
_FEATURES = """
SELECT ids.key, told.features FROM json_each(:ids) AS ids CROSS JOIN recent.user_features AS told
ON told.user_id = ids.value
"""


class RecentEvents:
    """The log of events beside the profiles, read through the connection to those."""

    def __init__(self, path: Path, profiles: sqlite3.Connection) -> None:
        self._path = path
        self._connection = profiles
        self._attached = False

    def joined(
        self, histories: UserHistories, user_ids: Sequence[str], signals: Sequence[str], after: int
    ) -> tuple[UserHistories, set[int]]:
        """The histories with events behind `after` and told features, and the places of the users who have any.

        Raises:
            WorkdirError: the log is damaged.
        """
        if not self._exists():
            return histories, set()
        ids = json.dumps(list(user_ids))
        events = self._all(_EVENTS, ids=ids, signals=json.dumps(list(signals)), after=after)
        features = {place: json.loads(told) for place, told in self._all(_FEATURES, ids=ids)}
        if features:
            histories = _with_features(histories, features)
        if events:
            histories = with_events(histories, np.array(events, np.int64))
        return histories, {*features, *(place for place, *_ in events)}

    def _exists(self) -> bool:
        """Whether there is a log by now; the first event makes it."""
        if not self._attached and self._path.exists():
            self._attach()
            self._attached = True
        return self._attached

    def _attach(self) -> None:
        """Attach the log; in a folder that may not be written, beside whoever writes it, or else as the file lies
        there: its companions cannot be made."""
        if os.access(self._path.parent, os.W_OK):
            self._open("mode=rw")
            return
        try:
            self._open("mode=ro")
        except ColistenError:
            with suppress(ColistenError):
                self._all("DETACH recent")
            self._open("immutable=1")

    def _open(self, how: str) -> None:
        self._all("ATTACH :path AS recent", path=f"{self._path.absolute().as_uri()}?{how}")
        self._all("SELECT 1 FROM recent.events LIMIT 1")

    def _all(self, query: str, **parameters: str | int) -> list[tuple[Any, ...]]:
        with log_errors(self._path).told():
            return self._connection.execute(query, parameters).fetchall()


def with_events(histories: UserHistories, events: Int64s) -> UserHistories:
    """The histories with further events, ordered by time, item and signal, as an import orders them.

    Args:
        events: [e, 4] place of the user, item, signal, seconds; what the history has already is passed over.
    """
    new = np.repeat([0, 1], [len(histories.items), len(events)])
    owners, items, signals, timestamps = (
        np.concatenate([had, came])
        for had, came in zip(
            (histories.owners, histories.items, histories.signals, histories.timestamps), events.T, strict=True
        )
    )
    order = np.lexsort((new, signals, items, timestamps, owners))
    rows = np.stack([owners, items, signals, timestamps], axis=1)[order]
    again = np.zeros(len(rows), bool)
    again[1:] = (rows[1:] == rows[:-1]).all(axis=1) & (new[order][1:] == 1)
    owners, items, signals, timestamps = rows[~again].T
    return UserHistories(
        offsets(np.bincount(owners, minlength=len(histories))),
        items.astype(np.int32), signals.astype(np.uint8), timestamps, histories.features,
    )  # fmt: skip


def _with_features(histories: UserHistories, told: Mapping[int, Mapping[str, object]]) -> UserHistories:
    columns = {
        name: [told.get(place, {}).get(name, value) for place, value in enumerate(values)]
        for name, values in histories.features.items()
    }
    return replace(histories, features=columns)
