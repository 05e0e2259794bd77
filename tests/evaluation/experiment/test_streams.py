"""Streams from both places: what was imported, and what was posted since."""

from __future__ import annotations

from pathlib import Path

from colisten.evaluation.experiment.streams import streams_of
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore
from colisten.workdir import Workdir
from tests.worlds import plain_users, write_listening


def test_what_was_posted_is_joined_to_what_was_imported(tmp_path: Path) -> None:
    folder = Workdir.open(tmp_path / "W", create=True)
    rows = [(0, 0, 0, 10), (0, 1, 1, 11), (1, 1, 0, None)]
    write_listening(folder.listening, ["book", "show"], rows, items={"item_id": ["a", "b"]}, users=plain_users(2),
                    signals=("stream", "follow"))  # fmt: skip
    first, second = plain_users(2)["user_id"]
    imported = [(first, "a", "book", 10), (second, "b", "show", -1)]
    assert sorted(streams_of(folder).collect().rows()) == imported
    with EventStore.create(folder.events) as store, store.transaction():
        store.add(
            [
                Event("new", "b", "stream", 20),
                Event("new", "a", "follow", 21),
                Event(first, "later", "stream", 22),
                Event(first, "a", "stream", 10),
            ]
        )
    posted = [(first, "a", "book", 10), (first, "later", None, 22), ("new", "b", "show", 20)]
    assert sorted(streams_of(folder).collect().rows()) == sorted([*imported, *posted])
