"""Data that only grows keeps its lineage; a split of what was known, or anything that has gone, begins another."""

from __future__ import annotations

import pytest

DAYS = (10, 20, 30)


@pytest.fixture
def lineage(desk, make_event, items):
    """The lineage after an import of these events, by (user, item, time)."""

    def of(*events, retired=(), **changes):
        rows = [make_event(user_id=user, item_id=item, timestamp=time) for user, item, time in events]
        rows = [row | {"item_type": "podcast" if row["item_id"] == "show" else "audiobook"} for row in rows]
        desk.write(rows, items=[item for item in items if item["item_id"] not in retired])
        return desk.imported(*(f"{key}={value}" for key, value in changes.items())).lineage

    return of


FIRST = [("u", "book", 10), ("v", "other", 20)]


def test_growing_data_keeps_it(lineage):
    first = lineage(*FIRST)
    assert first
    assert lineage(*FIRST) == first
    assert lineage(("a", "show", 5), *FIRST, ("w", "show", 30)) == first


def test_what_has_gone_begins_another(lineage):
    first = lineage(*FIRST, ("v", "show", 30))
    second = lineage(*FIRST)
    assert second != first
    assert lineage(*FIRST, ("v", "show", 30)) == second
    assert lineage(("u", "book", 10), ("v", "show", 30)) not in (first, second)


def test_a_way_back_is_another_lineage(lineage):
    first = lineage(*FIRST)
    lineage(("u", "book", 10))
    lineage(("v", "other", 20))
    assert lineage(*FIRST[:1]) != first
    assert lineage(*FIRST) != first


def test_events_without_a_time_must_stay(lineage):
    first = lineage(("u", "book", None), ("v", "other", None))
    assert lineage(("u", "book", None), ("v", "other", None), ("w", "show", 1)) == first
    assert lineage(("u", "book", None), ("w", "show", 1)) != first


def test_old_days_and_retired_items_may_go(lineage):
    first = lineage(*FIRST, ("u", "show", 30))
    assert lineage(("v", "other", 20), ("u", "show", 30), ("w", "book", 40)) == first
    assert lineage(("u", "show", 30), ("w", "book", 40), retired=["other"]) == first


def test_other_signals_begin_another(lineage):
    assert lineage(*FIRST) != lineage(*FIRST, **{"signals.weak": "preview"})
