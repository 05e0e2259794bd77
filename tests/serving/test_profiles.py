from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from unicodedata import normalize

import numpy as np
import polars as pl
import pytest

from colisten.errors import WorkdirError
from colisten.listening.data import ListeningData
from colisten.serving import profile_writing
from colisten.serving.profile_writing import forget_profile, write_profiles
from colisten.serving.profiles import RETIRED, Profiles
from tests.serving.worlds import GENRES, QUIET, TYPES, listening


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ListeningData:
    return listening(tmp_path_factory.mktemp("profiles") / "listening")


@pytest.fixture
def path(data: ListeningData, tmp_path: Path) -> Path:
    write_profiles(data, tmp_path / "profiles.sqlite", QUIET)
    return tmp_path / "profiles.sqlite"


@pytest.mark.parametrize("at_once", [1, 100, 10**6])
def test_what_is_read_is_what_was_heard(
    data: ListeningData, tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_writing, "_EVENTS_AT_ONCE", at_once)
    write_profiles(data, tmp_path / "p.sqlite", QUIET)
    interactions = pl.read_parquet(data.interactions)
    asked = ["u3", "nobody", "o'brien\"; DROP TABLE users", "silent", "u3"]
    with Profiles.open(tmp_path / "p.sqlite") as profiles:
        histories, unknown = profiles.read(asked)
        assert unknown == ["nobody"]
        for place, user_id in enumerate(asked):
            user = data.users.filter(pl.col("user_id") == user_id)
            events = interactions.filter(pl.col("user").is_in(user["user"].to_list()))
            mine = slice(*histories.indptr[place : place + 2])
            assert histories.items[mine].tolist() == events["item"].to_list()
            assert histories.signals[mine].tolist() == events["signal"].to_list()
            assert histories.timestamps[mine].tolist() == events["timestamp"].to_list()
            for name in ("age", "country"):
                assert [histories.features[name][place]] == (user[name].to_list() or [None])
            taste = histories.features["taste"][place]
            known = next(iter(user["taste"].to_list()), None)
            assert taste is None if known is None else np.allclose(np.array(taste), known)


def test_of_two_items_with_one_title_that_of_more_people_is_meant(tmp_path: Path) -> None:
    """However often one of them plays the other."""
    data = listening(tmp_path / "listening")
    twins = pl.col("item").is_in([0, 1])
    data.items.with_columns(title=pl.when(twins).then(pl.lit("Twin")).otherwise("title")).write_parquet(
        data.root / "items.parquet"
    )
    events = pl.read_parquet(data.interactions)
    rows = [(3, 0, 0, 1000 + i, None) for i in range(9)] + [(4, 1, 0, 1000, None), (5, 1, 0, 1000, None)]
    played = pl.DataFrame(rows, events.schema, orient="row")
    pl.concat([events.filter(~twins), played]).sort("user", "timestamp").write_parquet(data.interactions)
    write_profiles(ListeningData(data.root), tmp_path / "p.sqlite", QUIET)
    with Profiles.open(tmp_path / "p.sqlite") as profiles:
        found = profiles.find("twin")
        assert found is not None
        assert found.item == 1
        assert [item.item for item in profiles.titled("win", 2)] == [1, 0]


def test_facts_items_and_vocabulary(data: ListeningData, path: Path) -> None:
    with Profiles.open(path) as profiles:
        assert profiles.facts.strong == 1
        assert profiles.facts.item_types == data.item_types
        assert set(profiles.facts.item_types) == set(TYPES)
        assert profiles.facts.features == {"country": "text", "age": "number"}
        assert profiles.facts.latest == pl.read_parquet(data.interactions)["timestamp"].max()
        expected = np.where(data.items["retired"].to_numpy(), RETIRED, data.type_of)
        np.testing.assert_array_equal(profiles.type_of, expected)
        assert profiles.item_ids() == data.items["item_id"].to_list()
        found = profiles.find('it\'em "12"')
        assert found is not None
        assert found == profiles.items([12])[12]
        assert profiles.find("tItLe 12") == found
        assert profiles.find("Title 9999") is None
        assert set(profiles.vocabulary("genres")) == set(GENRES)


def test_a_title_is_found_however_it_is_written(tmp_path: Path) -> None:
    data = listening(tmp_path / "listening")
    titles = {0: normalize("NFD", "Café Noir"), 1: normalize("NFC", "ÉTÉ 42")}
    renamed = pl.col("item").replace_strict(titles, default=pl.col("title"))
    data.items.with_columns(title=renamed).write_parquet(data.root / "items.parquet")
    write_profiles(ListeningData(data.root), tmp_path / "p.sqlite", QUIET)
    with Profiles.open(tmp_path / "p.sqlite") as profiles:
        for item, title in titles.items():
            for form in ("NFC", "NFD"):
                found = profiles.find(normalize(form, title.lower()))
                assert found is not None
                assert (found.item, found.title) == (item, title)
                assert item in [one.item for one in profiles.titled(normalize(form, normalize("NFC", title)[:4]), 5)]


def test_forgotten_is_gone_from_the_bytes(path: Path) -> None:
    name = "o'brien\"; DROP TABLE users"
    with Profiles.open(path) as profiles:
        blob = profiles.read([name])[0].timestamps.tobytes()
        assert name.encode() in path.read_bytes()
        assert len(blob) > 0
        assert blob in path.read_bytes()
    assert forget_profile(path, name)
    assert not forget_profile(path, name)
    with Profiles.open(path) as profiles:
        assert profiles.read([name, "u3"])[1] == [name]
    assert name.encode() not in path.read_bytes()
    assert blob not in path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no journal stays behind"


def test_only_the_owner_may_read(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_another_version_is_one_sentence(path: Path, tmp_path: Path) -> None:
    older = Path(shutil.copy(path, tmp_path / "older.sqlite"))
    with closing(sqlite3.connect(older)) as connection:
        connection.execute("PRAGMA user_version = 0")
    with pytest.raises(WorkdirError, match="another version of Colisten: run `colisten run`"):
        Profiles.open(older)


def test_missing_or_damaged_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkdirError, match="colisten run"):
        Profiles.open(tmp_path / "none.sqlite")
    (tmp_path / "bad.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(WorkdirError, match="colisten run"), Profiles.open(tmp_path / "bad.sqlite") as profiles:
        profiles.read(["u1"])
