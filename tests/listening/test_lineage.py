"""Append-only data keeps its lineage; missing interactions, as in a split of earlier data, begin another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.listening.sources import ITEMS, Importer, event

Lineage = Callable[..., str]
FIRST = [("u", "book", 10), ("v", "other", 20)]


@pytest.fixture
def lineage(importer: Importer) -> Lineage:
    """The lineage after an import of these events, by (user, item, time)."""

    def of(*events: tuple[str, str, int | None], retired: Sequence[str] = (), **changes: str) -> str:
        rows = [event(user_id=user, item_id=item, timestamp=time) for user, item, time in events]
        rows = [row | {"item_type": "podcast" if row["item_id"] == "show" else "audiobook"} for row in rows]
        importer.write(rows, items=[item for item in ITEMS if item["item_id"] not in retired])
        return importer.run(*(f"{key}={value}" for key, value in changes.items())).lineage

    return of


def test_append_only_data_keeps_it(lineage: Lineage) -> None:
    first = lineage(*FIRST)
    assert first
    assert lineage(*FIRST) == first
    assert lineage(("a", "show", 5), *FIRST, ("w", "show", 30)) == first


def test_missing_interactions_begin_another(lineage: Lineage) -> None:
    first = lineage(*FIRST, ("v", "show", 30))
    second = lineage(*FIRST)
    assert second != first
    assert lineage(*FIRST, ("v", "show", 30)) == second
    assert lineage(("u", "book", 10), ("v", "show", 30)) not in (first, second)


def test_the_same_data_later_is_another_lineage(lineage: Lineage) -> None:
    first = lineage(*FIRST)
    lineage(("u", "book", 10))
    lineage(("v", "other", 20))
    assert lineage(*FIRST[:1]) != first
    assert lineage(*FIRST) != first


def test_events_without_a_time_must_stay(lineage: Lineage) -> None:
    first = lineage(("u", "book", None), ("v", "other", None))
    assert lineage(("u", "book", None), ("v", "other", None), ("w", "show", 1)) == first
    assert lineage(("u", "book", None), ("w", "show", 1)) != first


def test_old_days_and_retired_items_may_go(lineage: Lineage) -> None:
    first = lineage(*FIRST, ("u", "show", 30))
    assert lineage(("v", "other", 20), ("u", "show", 30), ("w", "book", 40)) == first
    assert lineage(("u", "show", 30), ("w", "book", 40), retired=["other"]) == first


def test_other_signals_begin_another(lineage: Lineage) -> None:
    assert lineage(*FIRST) != lineage(*FIRST, **{"signals.weak": "preview"})
