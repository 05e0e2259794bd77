"""Histories with posted events: those that the next run writes, user by user, and known to every open reader."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.listening.data import ListeningData
from colisten.listening.events.rows import Event
from colisten.listening.events.store import EventStore, TextPlace
from colisten.listening.histories import UserHistories
from colisten.listening.importing import append_events, import_data
from colisten.progress import Progress
from colisten.serving.profile_writing import write_profiles
from colisten.serving.profiles import Profiles
from colisten.settings import Settings
from colisten.workdir import Workdir

QUIET = Progress(quiet=True)
SETTINGS = Settings.load(["signals.weak=follow,preview"])
USERS = [f"u{i}" for i in range(12)]
ITEMS = [f"i{i}" for i in range(20)]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of some of the users and items, two of those retired, with profiles."""
    tmp_path = tmp_path_factory.mktemp("recent")
    rng, source = random.Random(1), tmp_path / "source"  # noqa: S311
    source.mkdir()
    items = pl.DataFrame({"item_id": ITEMS, "item_type": "audiobook", "title": ITEMS})
    events = pl.DataFrame(
        {
            "user_id": [rng.choice(USERS[:8]) for _ in range(150)],
            "item_id": [rng.choice(ITEMS[:15]) for _ in range(150)],
            "item_type": "audiobook",
            "signal": [rng.choice(["stream", "follow"]) for _ in range(150)],
            "timestamp": [rng.choice([None, *range(1, 30)]) for _ in range(150)],
            "value": [rng.choice([None, 0.5, 0.7]) for _ in range(150)],
        }
    )
    events.write_parquet(source / "interactions.parquet")
    pl.DataFrame({"user_id": USERS[:5], "country": ["SE", "US", None, "SE", "US"]}).write_parquet(
        source / "users.parquet"
    )
    folder = Workdir.open(tmp_path / "W", create=True)
    for known in (ITEMS[:16], ITEMS[2:18]):
        items.filter(pl.col("item_id").is_in(known)).write_parquet(source / "items.parquet")
        data = import_data(str(source), folder.listening, SETTINGS, QUIET)
    write_profiles(data, folder.profiles, QUIET)
    return folder.root


@pytest.fixture
def workdir(imported: Path, tmp_path: Path) -> Workdir:
    return Workdir.open(Path(shutil.copytree(imported, tmp_path / "W")))


def post(workdir: Workdir, count: int, seed: int) -> None:
    """Events of all users, new ones too, on items that are known, retired or not known yet; features of two users."""
    rng = random.Random(seed)  # noqa: S311
    signals = ["stream", "follow", "preview", "unheard of"]
    with EventStore.create(workdir.events) as store, store.transaction():
        store.add(
            Event(
                rng.choice(USERS), rng.choice(ITEMS), rng.choice(signals), rng.randrange(1, 40), rng.choice([None, 1])
            )
            for _ in range(count)
        )
        store.put_features("u1", {"country": None})
        store.put_features("told", {"country": "GB"})


def by_user(path: Path, users: list[str]) -> tuple[dict[str, list[object]], list[str]]:
    with Profiles.open(path) as profiles:
        histories, unknown = profiles.read(users)
    return rows(histories, users), unknown


def rows(histories: UserHistories, users: list[str]) -> dict[str, list[object]]:
    events = np.stack([histories.items, histories.signals, histories.timestamps], axis=1)
    return {
        user: [events[slice(*histories.indptr[place : place + 2])].tolist(), histories.features["country"][place]]
        for place, user in enumerate(users)
    }


@pytest.mark.parametrize("seed", range(2))
def test_the_next_run_writes_the_profiles_that_serving_held(workdir: Workdir, seed: int) -> None:
    everybody = [*USERS, "told", "nobody"]
    before = by_user(workdir.profiles, everybody)
    post(workdir, 120, seed)
    served = by_user(workdir.profiles, everybody)
    assert served != before
    assert served[1] == ["nobody"]
    data = append_events(workdir.listening, SETTINGS, QUIET, workdir.events)
    write_profiles(data, workdir.profiles, QUIET)
    workdir.events.rename(workdir.root / "aside")
    written = by_user(workdir.profiles, everybody)
    assert written == served

    (workdir.root / "aside").rename(workdir.events)
    assert by_user(workdir.profiles, everybody) == written, "and holds them still"
    post(workdir, 50, seed + 10)
    served = by_user(workdir.profiles, everybody)
    write_profiles(append_events(workdir.listening, SETTINGS, QUIET, workdir.events), workdir.profiles, QUIET)
    assert by_user(workdir.profiles, everybody) == served != written


def test_dropped_events_stay_in_the_histories(workdir: Workdir) -> None:
    """Those of known items, behind which a run has written the profiles; others go on waiting."""
    post(workdir, 120, seed=5)
    write_profiles(append_events(workdir.listening, SETTINGS, QUIET, workdir.events), workdir.profiles, QUIET)
    with EventStore.create(workdir.events) as store, Profiles.open(workdir.profiles) as profiles:
        facts, known = profiles.facts, profiles.known(ITEMS)
        before = [row for batch in store.batches() for row in batch]
        post(workdir, 10, seed=6)
        served = by_user(workdir.profiles, USERS)
        dropped = store.drop_before(20, facts.events, facts.signals, workdir.profiles)
        left = [row for batch in store.batches() for row in batch]
    taken = {row for row in before if row[3] < 20 and row[1] in known and row[2] in facts.signals}
    assert taken
    assert dropped == len(taken)
    assert set(before) - set(left) == taken
    assert by_user(workdir.profiles, USERS) == served


def test_new_items_are_known_until_an_index_has_them(workdir: Workdir) -> None:
    """Under a number behind the others until a run gives them one; events on them are those that the run takes in."""
    place = TextPlace(np.ones(3, np.float32).tobytes(), {"i3": 0.5})
    with EventStore.create(workdir.events) as store, store.transaction():
        store.add(
            [Event("u1", "fresh", "stream", 7), Event("u11", "fresh", "follow", 8), Event("u1", "i0", "stream", 9)]
        )
        for item, kind in (("fresh", "audiobook"), ("i0", "audiobook"), ("odd", "video"), ("waits", "audiobook")):
            store.put_words(item, {"item_type": kind, "title": item}, place if item != "waits" else None)
    everybody = [*USERS, "nobody"]
    with Profiles.open(workdir.profiles) as profiles:
        size, served = profiles.size, named(profiles, everybody)
        assert [(item.item_id, item.number) for item in profiles.new.items] == [("i0", 0), ("fresh", size)]
        assert profiles.known(["fresh", "i0", "i1", "odd", "waits", "i3"]) == {"fresh", "i0", "i3"}
        assert profiles.item_ids()[size:] == ["fresh"]
        with EventStore.create(workdir.events) as store, store.transaction():
            store.put_words("fresh", {"item_type": "audiobook", "title": "Fresher"}, place)
        (_, told) = profiles.follow().items
        assert (told.number, told.words.title) == (size, "Fresher")
        assert profiles.find("fresher") == profiles.items([size])[size]
    write_profiles(append_events(workdir.listening, SETTINGS, QUIET, workdir.events), workdir.profiles, QUIET)
    with Profiles.open(workdir.profiles) as profiles:
        assert named(profiles, everybody) == served
        assert profiles.new.items == ()
    with Profiles.open(workdir.profiles) as profiles:
        profiles.published = size - 1
        assert named(profiles, everybody) == served
        numbers = {item.item_id: item.number for item in profiles.new.items}
        assert numbers == profiles.numbers(["fresh", "odd"]), "whose type the catalogue has by now"


def named(profiles: Profiles, users: list[str]) -> dict[str, list[tuple[str, int, int]]]:
    histories, _ = profiles.read(users)
    items = profiles.items(histories.items.tolist())
    rows = zip(histories.items.tolist(), histories.signals.tolist(), histories.timestamps.tolist(), strict=True)
    events = [(items[item].item_id, *rest) for item, *rest in rows]
    return {user: sorted(events[slice(*histories.indptr[i : i + 2])]) for i, user in enumerate(users)}


def test_events_that_the_data_has_as_well_are_not_doubled(workdir: Workdir) -> None:
    """The platform's own files may hold what was posted, before any run has taken it from the log."""
    data = ListeningData(workdir.listening)
    held = pl.read_parquet(data.interactions).drop_nulls("timestamp").sample(20, seed=1)
    before = by_user(workdir.profiles, USERS)
    with EventStore.create(workdir.events) as store, store.transaction():
        store.add(
            Event(data.users["user_id"][user], data.items["item_id"][item], data.signals[signal], time)
            for user, item, signal, time, _ in held.iter_rows()
        )
    assert by_user(workdir.profiles, USERS) == before


def test_open_readers_know_at_once(workdir: Workdir) -> None:
    """Also of a log that was made after they were opened; who is asked for twice is answered twice."""
    with Profiles.open(workdir.profiles) as first, Profiles.open(workdir.profiles) as second:
        assert first.read(["u11"])[1] == ["u11"]
        with EventStore.create(workdir.events) as store:
            for number in range(5):
                with store.transaction():
                    store.add([Event("u11", ITEMS[4 + number], "stream", 100 - number)])
                for profiles in (first, second):
                    histories, unknown = profiles.read(["u11", "u0", "u11"])
                    assert unknown == []
                    for end in (histories.items[: number + 1], histories.items[-number - 1 :]):
                        names = profiles.items(end.tolist())
                        assert [names[item].item_id for item in end.tolist()] == ITEMS[4 : 5 + number][::-1]
                    assert histories.timestamps[: number + 1].tolist() == list(range(100 - number, 101))
