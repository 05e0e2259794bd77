"""The log of events: what counts once, many processes at once, kills, and that what is forgotten is gone."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colisten.errors import WorkdirError
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore

WRITER = """
import sys
from pathlib import Path
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = EventStore.create(path)
for number in range(count):
    with store.transaction():
        own = Event(name, str(number), "stream", 1, None, f"{name}-{number}")
        store.add([own, Event("all", str(number), "stream", 1)])
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


def add(path: Path, *events: Event) -> int:
    with EventStore.create(path) as store, store.transaction():
        return store.add(events)


def rows(path: Path) -> list[tuple[object, ...]]:
    with EventStore.create(path) as store:
        return [row for batch in store.batches() for row in batch]


def test_the_same_event_counts_once(path: Path) -> None:
    first = Event("u", "a", "stream", 5, 0.5, "e1")
    assert add(path, first, first) == 1
    assert add(path, first._replace(item_id="b")) == 0, "the same event_id"
    assert add(path, first._replace(event_id="e2")) == 0, "the same user, item, signal and second"
    assert add(path, first._replace(event_id=None, timestamp=6), first._replace(event_id=None, timestamp=7)) == 2
    assert rows(path) == [("u", "a", "stream", 5, 0.5), ("u", "a", "stream", 6, 0.5), ("u", "a", "stream", 7, 0.5)]


def test_only_its_owner_may_read_it(path: Path) -> None:
    with EventStore.create(path) as store, store.transaction():
        store.add([Event("u", "a", "stream", 5)])
        files = list(path.parent.iterdir())
        assert len(files) == 3
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_fails_is_not_kept(path: Path) -> None:
    with EventStore.create(path) as store:
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.add([Event("u", "a", "stream", 5)])
            _ = 1 / 0
        assert store.counts().events == 0
        assert store.newest() == {}


def test_many_processes_write_at_once(path: Path) -> None:
    """The log is made by whoever is first."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"w{i}", "50"], stdout=subprocess.DEVNULL)
        for i in range(3)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    with EventStore.create(path) as store:
        counts = store.counts()
    assert (counts.events, counts.users) == (200, 4)


def test_a_kill_loses_nothing_that_was_acknowledged(path: Path) -> None:
    acknowledged: dict[str, int] = {}
    for turn in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"w{turn}", "100000"], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05 * (turn + 1))
            writer.send_signal(signal.SIGKILL)
            acknowledged[f"w{turn}"] = 1 + len(writer.stdout.read().splitlines())
    kept = rows(path)
    assert len(set(kept)) == len(kept)
    for name, count in acknowledged.items():
        assert {item for user, item, *_ in kept if user == name} >= {str(number) for number in range(count)}


def test_forgotten_is_gone_from_the_bytes_while_others_have_it_open(path: Path) -> None:
    with EventStore.create(path) as reading:
        add(path, *(Event(user, f"item-{i}", "stream", i) for i in range(300) for user in ("person-4711", "other")))
        with EventStore.create(path) as store:
            with store.transaction():
                store.put_features("person-4711", {"country": "SE"})
            assert reading.counts().events == 600
            assert store.forget("person-4711") == 301
            assert store.forget("person-4711") == 0
        assert reading.counts().events == 300
        for file in path.parent.iterdir():
            assert b"person-4711" not in file.read_bytes(), file


def test_a_sequence_number_is_never_given_again(path: Path) -> None:
    add(path, Event("u", "a", "stream", 5))
    with EventStore.create(path) as store:
        before = store.newest()
        store.forget("u")
        assert store.newest() == before
        add(path, Event("v", "a", "stream", 5))
        assert store.newest()["events"] == before["events"] + 1


def test_a_damaged_log_is_one_sentence(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(WorkdirError, match=r"events\.sqlite cannot be used"):
        EventStore.create(path)
