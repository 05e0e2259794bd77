"""Checks of the log of events: does it open, is it whole, and what waits in it?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from colisten.cli.health.finding import Finding
from colisten.listening.data import ListeningData
from colisten.serving.events.attached_log import AttachedLog
from colisten.serving.profiles import Profiles
from colisten.workdir import Workdir

_COUNTS = "SELECT count(*), count(DISTINCT user_id), count(*) FILTER (WHERE seq > :taken) FROM recent.events"
_BY_ITEM = "SELECT item_id, count(*) FROM recent.events GROUP BY item_id"
_TODO = "put a copy in its place, or move it away, which loses the events since the last run"


def check_events(folder: Workdir, *, deep: bool) -> Iterator[Finding]:
    """Check the log; `deep` compares its tables with its indexes too."""
    with closing(sqlite3.connect(":memory:", uri=True)) as connection:
        log = AttachedLog(folder.events, connection)
        if not log.exists():
            yield Finding("ok", "events", "none were posted")
            return
        check = "integrity_check" if deep else "quick_check"
        damage = [sentence for (sentence,) in log.all(f"PRAGMA recent.{check}(1)")]
        if damage != ["ok"]:
            yield Finding("bad", "events", f"{folder.events} is damaged: {damage[0]}", _TODO)
            return
        imported = (folder.listening / "summary.json").exists()
        ((events, users, waiting),) = log.all(_COUNTS, taken=ListeningData(folder.listening).events if imported else 0)
        by_item = dict(log.all(_BY_ITEM))
    yield Finding("ok", "events", f"{events:,} of {users:,} users, {waiting:,} of them since the last run")
    if folder.profiles.exists():
        with Profiles.open(folder.profiles) as profiles:
            profiles.follow()
            unknown = by_item.keys() - profiles.known(by_item)
        if unknown:
            rows = sum(by_item[item] for item in unknown)
            found = f"{rows:,} are on {len(unknown):,} items that are not known yet"
            yield Finding("warn", "events", found, "give the items with the next run, or by `PUT /items/{item_id}`")
