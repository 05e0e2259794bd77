"""What `ListeningData` derives from its tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

import polars as pl
import pytest

from tests.listening.sources import Importer, event
from tests.worlds import Columns, Event, Relation, plain_users, write_listening

TYPES = ["audiobook", "audiobook", "podcast"]
EVENTS: list[Event] = [(0, 0, 0, 5), (0, 1, 1, 6), (1, 0, 2, None), (1, 2, 1, 3), (2, 0, 0, 9), (2, 0, 0, 11)]
SIGNALS = ("stream", "play", "follow")


class Changes(TypedDict, total=False):
    events: Sequence[Event]
    items: Columns
    users: pl.DataFrame
    relations: Sequence[Relation]
    signals: Sequence[str]
    strong: int


def test_streams_are_the_strong_interactions(tmp_path: Path) -> None:
    data = write_listening(tmp_path / "w", TYPES, EVENTS, signals=SIGNALS, strong=2)
    whole, streams = pl.read_parquet(data.interactions), data.streams.collect()
    assert streams.schema == whole.schema
    assert streams.equals(whole.filter(pl.col("signal").is_in([0, 1])))
    assert dict(data.listeners.collect().iter_rows()) == {0: 2, 1: 1, 2: 1}


@pytest.mark.parametrize(
    "other",
    [
        {"events": [*EVENTS, (2, 2, 0, 12)]},
        {"items": {"title": ["other", "Title 1", "Title 2"]}},
        {"users": plain_users(4)},
        {"relations": [(0, 1, "sequel_of", 0.5)]},
        {"strong": 1},
        {"signals": ("stream", "play", "preview")},
    ],
)
def test_the_digest_changes_with_all_that_is_learned_from(tmp_path: Path, other: Changes) -> None:
    write = partial(write_listening, item_types=TYPES, events=EVENTS, signals=SIGNALS, strong=2)

    def digest(name: str, changes: Changes) -> str:
        return write(tmp_path / name, **changes).digest()

    assert digest("one", {}) == digest("same", {}) != digest("other", other)


def test_rejected_rows_are_not_in_the_digest(importer: Importer) -> None:
    clean = importer.write([event()]).run().digest()
    assert importer.write([event(), event(timestamp=-5)]).run().digest() == clean
