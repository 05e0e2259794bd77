"""Histories with what has happened since the profiles were written: the order, and no event twice, as a run has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from colisten.arrays import Int64s
from colisten.listening.histories import UserHistories
from colisten.ragged import offsets
from colisten.serving.events.attached_log import AttachedLog
from colisten.serving.events.new_items import NewItems

_EVENTS = """
SELECT ids.key, items.item, signals.key, events.timestamp
FROM json_each(:ids) AS ids CROSS JOIN recent.events AS events ON events.user_id = ids.value AND events.seq > :after
JOIN items ON items.item_id = events.item_id AND NOT items.retired
JOIN json_each(:signals) AS signals ON signals.value = events.signal
"""
"""Place of the user, item, code of the signal, seconds; without items and signals that the profiles do not know."""
_ON_NEW_ITEMS = """
SELECT ids.key, new.value, signals.key, events.timestamp
FROM json_each(:ids) AS ids CROSS JOIN recent.events AS events ON events.user_id = ids.value
JOIN json_each(:new) AS new ON new.key = events.item_id
JOIN json_each(:signals) AS signals ON signals.value = events.signal
"""
_FEATURES = """
SELECT ids.key, told.features FROM json_each(:ids) AS ids CROSS JOIN recent.user_features AS told
ON told.user_id = ids.value
"""


class RecentEvents:
    """What the log holds of users beyond their profiles."""

    def __init__(self, log: AttachedLog) -> None:
        self._log = log

    def joined(
        self, histories: UserHistories, user_ids: Sequence[str], signals: Sequence[str], after: int,
        new: NewItems,
    ) -> tuple[UserHistories, set[int]]:  # fmt: skip
        """The histories with events behind `after` and told features, and the places of the users who have any.

        Args:
            histories: of the profiles.
            user_ids: whose.
            signals: those that count.
            after: `seq` of the last event that the profiles hold.
            new: items that the profiles do not hold.

        Raises:
            WorkdirError: the log is damaged.
        """
        if not self._log.exists():
            return histories, set()
        ids = json.dumps(list(user_ids))
        coded = json.dumps(list(signals))
        events = self._log.all(_EVENTS, ids=ids, signals=coded, after=after)
        if new.items:  # of which the profiles may hold nothing, however long ago it was posted
            events += self._log.all(_ON_NEW_ITEMS, ids=ids, signals=coded, new=new.numbers)
        features = {place: json.loads(told) for place, told in self._log.all(_FEATURES, ids=ids)}
        if features:
            histories = _with_features(histories, features)
        if events:
            histories = with_events(histories, np.array(events, np.int64))
        return histories, {*features, *(place for place, *_ in events)}


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
