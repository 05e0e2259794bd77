"""Imports with a log of events: those of the same files with the events' rows in them, nothing twice, nothing lost."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from colisten.listening.data import ListeningData
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore
from colisten.listening.importing import append_events, import_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import ITEMS, Importer, event, named

QUIET = Progress(quiet=True)
TYPES = {item["item_id"]: item["item_type"] for item in ITEMS}
USERS = [{"user_id": "u", "age": 30, "country": "SE"}, {"user_id": "v", "age": 40, "country": None}]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


def drawn(rng: random.Random, count: int) -> list[Event]:
    """Events of which many are alike, some on an item that nobody knows."""
    return [
        Event(
            rng.choice("uvwx"), rng.choice(["book", "other", "show", "unknown"]), rng.choice(["stream", "follow"]),
            rng.randrange(1, 9), rng.choice([None, 0.5]),
        )
        for _ in range(count)
    ]  # fmt: skip


def add(log: Path, events: list[Event]) -> None:
    with EventStore.create(log) as store, store.transaction():
        store.add(events)


def as_rows(events: list[Event]) -> list[dict[str, Any]]:
    """The first of each user, item, signal and second, as a platform would export them."""
    first = {one[:4]: one for one in reversed(events) if one.item_id in TYPES}
    return [
        event(user_id=e.user_id, item_id=e.item_id, item_type=TYPES[e.item_id], signal=e.signal, timestamp=e.timestamp,
              value=e.value)
        for e in first.values()
    ]  # fmt: skip


def tables(data: ListeningData) -> list[pl.DataFrame]:
    names = ("interactions", "items", "users", "relations", "availability")
    return [pl.read_parquet(data.root / f"{name}.parquet") for name in names]


def same(one: ListeningData, other: ListeningData) -> bool:
    return all(a.equals(b) for a, b in zip(tables(one), tables(other), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_the_log_counts_as_rows_of_the_files(importer: Importer, tmp_path: Path, log: Path, seed: int) -> None:
    """Whether it is there from the start, comes to data that is there, or the files have some of it as well."""
    rng = random.Random(seed)  # noqa: S311
    given, events = drawn(rng, 12), drawn(rng, 30)
    known = {one[:4] for one in given}
    together = [*given, *(one for one in events if one[:4] not in known)]
    plain = Importer(tmp_path_of(tmp_path, "plain")).write(as_rows(together), users=USERS).run("signals.weak=follow")
    add(log, events)
    settings = Settings.load(["signals.weak=follow"])
    importer.write(as_rows(given), users=USERS)
    at_once = import_data(str(importer.source), tmp_path / "at-once", settings, QUIET, events=log)
    assert same(at_once, plain)

    importer.run("signals.weak=follow")
    appended = append_events(importer.out, settings, QUIET, log)
    assert same(appended, plain)
    again = append_events(importer.out, settings, QUIET, log)
    assert same(again, plain)
    assert again.summary["counts"] == appended.summary["counts"]
    with EventStore.create(log) as store:
        assert appended.events == store.newest()["events"]

    importer.write(as_rows(together), users=USERS)
    whole = import_data(str(importer.source), importer.out, settings, QUIET, events=log)
    assert same(whole, plain)
    assert whole.lineage == appended.lineage


def tmp_path_of(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def test_an_event_waits_for_the_catalogue_that_knows_its_item(importer: Importer, log: Path) -> None:
    add(log, [Event("new", "later", "stream", 5), Event("new", "book", "skip", 6)])
    settings = Settings()
    data = importer.write().run()
    data = append_events(importer.out, settings, QUIET, log)
    assert data.summary["events"] == {"seq": 2, "taken": 0, "wait": 2}
    assert data.users["user_id"].to_list() == ["u"]
    importer.write(items=[*ITEMS, {"item_id": "later", "item_type": "podcast", "title": "It came later"}])
    data = import_data(str(importer.source), importer.out, settings, QUIET, events=log)
    assert named(data).row(0, named=True) == event(
        user_id="new", item_id="later", item_type="podcast", timestamp=5, value=None
    )
    assert data.summary["events"] == {"seq": 2, "taken": 1, "wait": 1}


def test_what_was_set_aside_and_counted_stays_so(importer: Importer, log: Path) -> None:
    rows = [event(), event(), event(item_id="nowhere"), event(signal="skip", timestamp=3)]
    importer.write_text(
        "availability.csv", "item_id,country,from,until\nbook,SE,,2030-01-01\nshow,,2,1\nother,,someday,\n"
    )
    importer.write_text("relations.csv", "src_item_id,dst_item_id,relation\nbook,show,sequel\nbook,other,sequel\n")
    changes = ("signals.ignored=skip", "graph.relations=sequel")
    before = importer.write(rows).run(*changes)
    add(log, [Event("u", "other", "stream", 5)])
    after = append_events(importer.out, Settings.load(changes), QUIET, log)
    counts = before.summary["counts"]
    assert after.summary["counts"] == counts | {"interactions": counts["interactions"] + 1}
    assert after.summary["rejected"] == before.summary["rejected"] != {}
    for name in ("rejected", "availability", "relations"):
        found = [pl.read_parquet(data.root / f"{name}.parquet") for data in (before, after)]
        assert found[0].equals(found[1])
        assert len(found[0]) > 1


def test_told_features_and_words_take_the_place_of_the_files(importer: Importer, log: Path) -> None:
    importer.write([event()], users=USERS).run()
    with EventStore.create(log) as store, store.transaction():
        store.put_features("u", {"age": 31.5, "country": None})
        store.put_features("nobody yet", {"country": "US"})
        store.put_words("book", {"title": "Another title", "genres": ["crime", "nordic"]})
        store.put_words("fresh", {"item_type": "podcast", "title": "Fresh", "published": "2026-01-02"})
        store.put_words("show", {"item_type": "course"})
        store.put_words("untyped", {"title": "Of no type"})
    data = append_events(importer.out, Settings(), QUIET, log)
    assert data.users.select("user_id", "age", "country").rows() == [
        ("nobody yet", None, "US"), ("u", 31.5, None), ("v", 40.0, None),
    ]  # fmt: skip
    items = {row["item_id"]: row for row in data.items.to_dicts()}
    assert (items["book"]["title"], items["book"]["genres"]) == ("Another title", ["crime", "nordic"])
    assert (items["fresh"]["title"], str(items["fresh"]["published"])) == ("Fresh", "2026-01-02")
    assert (items["show"]["item_type"], items["show"]["title"]) == ("podcast", "A show")
    assert set(items) == {"book", "other", "show", "fresh"}
    assert [items[name]["item"] for name in ("book", "other", "show", "fresh")] == [0, 1, 2, 3]


def test_an_import_from_before_there_was_a_table_of_availability_goes_on(importer: Importer, log: Path) -> None:
    before = importer.write([event()]).run()
    (before.root / "availability.parquet").unlink()
    add(log, [])
    data = append_events(importer.out, Settings(), QUIET, log)
    assert len(data.items) == len(before.items)
    assert pl.read_parquet(data.root / "availability.parquet").is_empty()
