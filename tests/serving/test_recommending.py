from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from colisten.errors import SettingsError, WorkdirError
from colisten.listening.data import ListeningData
from colisten.listening.history_reading import read_histories
from colisten.serving import ranking
from colisten.serving.index.opening import open_index
from colisten.serving.many import recommend_to
from colisten.serving.profile_writing import write_profiles
from colisten.serving.publishing import publish, rollback
from colisten.serving.query import Query
from colisten.serving.recommending import Recommendations, Recommender
from colisten.settings import Settings
from colisten.towers.user_encoder import UserEncoder
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET, trained

World = tuple[Workdir, ListeningData, Settings]


@pytest.fixture(scope="module", params=["products", "index"])
def recommender(world: World, request: pytest.FixtureRequest) -> Recommender:
    """One that answers from item vectors at hand, as few items are, and one that asks the index, as for many."""
    workdir, _, settings = world
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "index":
            patch.setattr(ranking, "_AT_HAND", 0)
        return Recommender.open(workdir, settings)


def by_hand(world: World, user_id: str, kind: str, *, heard: bool = False, exploration: float = 0) -> dict[str, float]:
    """The score of every item that may be recommended, in a few lines of NumPy on the files that training wrote."""
    workdir, data, _ = world
    user = int(data.users.filter(pl.col("user_id") == user_id)["user"][0])
    encoder = UserEncoder.load(workdir.towers)
    warm, cold = (
        {part: weight * (1 - exploration * (part == "demand")) for part, weight in weights.items()}
        for weights in (encoder.warm, encoder.cold)
    )
    encoder = replace(encoder, warm=warm, cold=cold)
    vectors = encoder.encode(read_histories(data, np.array([user], np.int32)))
    scores = load_file(workdir.towers / "items.safetensors")["vectors"] @ vectors.dense[0]
    scores[vectors.sparse.items] += vectors.sparse.values
    events = pl.read_parquet(data.interactions).filter(pl.col("user") == user)
    gone = events.filter(pl.col("signal").is_in([0, *encoder.negative_signals]))["item"].to_numpy()
    chosen = ((data.items["item_type"] == kind) & ~data.items["retired"]).to_numpy()
    if not heard:
        chosen &= ~np.isin(data.items["item"].to_numpy(), gone)
    return dict(zip(data.items["item_id"].filter(pl.Series(chosen)), scores[chosen].tolist(), strict=True))


def check(found: Recommendations, scores: dict[str, float], k: int) -> None:
    assert len(set(ids(found))) == len(found.items) == min(k, len(scores))
    np.testing.assert_allclose(found.scores, [scores[item] for item in ids(found)], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.scores, sorted(scores.values(), reverse=True)[:k], rtol=1e-4, atol=1e-5)
    assert found.ranks.tolist() == list(range(1, len(found.items) + 1))


def ids(found: Recommendations) -> list[str]:
    return [item.item_id for item in found.items]


@pytest.mark.parametrize("user_id", ["u0", "u1", "u30", "o'brien\"; DROP TABLE users", "silent"])
@pytest.mark.parametrize("kind", ["audiobook", "podcast", "short"])
def test_the_answer_is_what_numpy_says(world: World, recommender: Recommender, user_id: str, kind: str) -> None:
    found = recommender.recommend([user_id], Query(k=20, item_type=kind))
    check(found, by_hand(world, user_id, kind), 20)
    assert found.unknown == []
    again = recommender.recommend([user_id], Query(k=20, item_type=kind, include_heard=True))
    check(again, by_hand(world, user_id, kind, heard=True), 20)
    row = next(found.rows())
    assert list(row) == ["user_id", "item_id", "item_type", "score", "rank"]
    assert row["user_id"] == user_id
    assert row["item_type"] == kind


@pytest.mark.parametrize("exploration", [0.0, 0.3, 1.0])
def test_exploration_takes_from_the_weight_of_demand(world: World, exploration: float) -> None:
    workdir, _, settings = world
    wanted = by_hand(world, "u0", "audiobook", exploration=exploration)
    assert (wanted == by_hand(world, "u0", "audiobook")) == (exploration == 0)
    serve = settings.serve.model_copy(update={"exploration": exploration})
    for of_folder, asked in ((settings, exploration), (settings.model_copy(update={"serve": serve}), None)):
        with Recommender.open(workdir, of_folder) as recommender:
            check(recommender.recommend(["u0"], Query(20, "audiobook", exploration=asked)), wanted, 20)


@pytest.mark.parametrize("many", [8, 1000])
def test_many_users_are_answered_like_each_alone(
    world: World, recommender: Recommender, many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = world[1].users["user_id"].to_list()
    monkeypatch.setattr(ranking, "_MANY", many)
    unknown = recommend_to(tmp_path / "out.parquet", recommender, [*everyone, "new", "u0"], Query(k=7), QUIET)
    assert unknown == ["new"]
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert dict(table.schema) == {
        "user_id": pl.String, "item_id": pl.String, "item_type": pl.String, "score": pl.Float32, "rank": pl.Int32,
    }  # fmt: skip
    assert table["user_id"].unique(maintain_order=True).to_list() == [*everyone, "new"]
    assert table.n_unique(["user_id", "item_id"]) == len(table)
    for user_id in everyone:
        alone, mine = recommender.recommend([user_id], Query(k=7)), table.filter(pl.col("user_id") == user_id)
        assert mine["item_id"].to_list() == ids(alone)
        np.testing.assert_allclose(mine["score"].to_numpy(), alone.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("query", [Query(3), Query(3, "audiobook", diversity=0.5), Query(3, "audiobook", market="US")])
def test_nobody_is_answered_by_nothing(recommender: Recommender, query: Query, tmp_path: Path) -> None:
    assert list(recommender.recommend([], query).rows()) == []
    assert recommend_to(tmp_path / "none.parquet", recommender, [], query, QUIET) == []
    assert pl.read_parquet(tmp_path / "none.parquet").is_empty()


def test_an_unknown_user_gets_the_cold_start_answer(recommender: Recommender) -> None:
    found = recommender.recommend(["who?", "u3"], Query())
    assert found.unknown == ["who?"]
    anonymous = recommender.recommend_for([], {}, Query())
    assert ids(found)[:10] == ids(anonymous)
    assert len(found.items) == 20


def test_an_anonymous_user_is_answered_like_a_user_of_that_history(recommender: Recommender) -> None:
    liked = ['it\'em "2"', "title 9", "Title 2"]
    found = recommender.recommend_for(liked, {"country": "US", "age": "30"}, Query(k=200))
    known = recommender.recommend(["just like"], Query(k=200))
    assert ids(found) == ids(known)
    np.testing.assert_array_equal(found.scores, known.scores)
    assert not {'it\'em "2"', 'it\'em "9"'} & set(ids(found))
    other = recommender.recommend_for([], {"country": "SE", "age": 70}, Query(k=200))
    assert other.scores.tolist() != found.scores[: len(other.scores)].tolist()


def test_filters_are_kept(world: World, recommender: Recommender) -> None:
    query = Query(k=300, item_type="podcast", languages=("en", "de"), genres=('o\'clock "noir"',))
    items = world[1].items
    fits = items.filter(
        pl.col("item_type") == "podcast",
        pl.col("language").is_in(["en", "de"]),
        pl.col("genres").list.contains('o\'clock "noir"'),
        ~pl.col("retired"),
    )
    found = recommender.recommend(["silent"], query)
    assert sorted(ids(found)) == sorted(fits["item_id"].to_list())


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (Query(item_type="audiobok"), "did you mean 'audiobook'"),
        (Query(languages=("EN",)), "did you mean 'en'"),
        (Query(genres=("jazz",)), "there are "),
    ],
)
def test_a_misspelt_value_is_suggested(recommender: Recommender, query: Query, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        recommender.recommend(["u1"], query)


def test_wrong_likes_and_features(recommender: Recommender) -> None:
    with pytest.raises(SettingsError, match="did you mean 'Title 1"):
        recommender.recommend_for(["Titel 12"], {}, Query())
    with pytest.raises(SettingsError, match="country, age"):
        recommender.recommend_for([], {"city": "Lund"}, Query())
    for age in ("old", "nan", "1e999", "", "\x1b"):
        with pytest.raises(SettingsError, match="age is a number"):
            recommender.recommend_for([], {"age": age}, Query())


def test_similar_is_by_cosine_of_the_graph_vectors(world: World, recommender: Recommender) -> None:
    workdir, data, _ = world
    vectors = load_file(workdir.gnn / "items.safetensors")["embeddings"]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = ((data.items["item_type"] == "short") & ~data.items["retired"]).to_numpy()
    order = np.argsort(-np.where(chosen, unit @ unit[3], -np.inf))[:5]
    found = recommender.similar("Title 3", Query(k=5, item_type="short"))
    assert ids(found) == data.items["item_id"][order].to_list()
    same = recommender.similar("Title 3", Query(k=500))
    assert 'it\'em "3"' not in ids(same)
    with pytest.raises(SettingsError, match="catalogue"):
        recommender.similar("Title 7", Query())


def test_what_was_opened_is_closed(world: World) -> None:
    with Recommender.open(world[0], world[2]) as recommender:
        assert recommender.recommend(["u5"], Query()).items
    with pytest.raises(WorkdirError, match="closed"):
        recommender.recommend(["u5"], Query())


@pytest.mark.slow
def test_the_user_tower_goes_with_the_collection(tmp_path: Path) -> None:
    """Trained anew but not published yet, and after a rollback: the old tower meets the old vectors."""
    workdir, data, settings = trained(tmp_path / "W")
    write_profiles(data, workdir.profiles, QUIET)
    publish(workdir, data, settings, QUIET)

    def answer() -> list[dict[str, object]]:
        return list(Recommender.open(workdir, settings).recommend(["u5"], Query()).rows())

    first = answer()
    embeddings = load_file(workdir.gnn / "items.safetensors")["embeddings"][:, ::-1].copy()
    from colisten.towers.training import train_towers

    train_towers(
        data,
        embeddings,
        embeddings,
        lambda _: embeddings,
        settings.model_copy(update={"seed": 99}),
        workdir.towers,
        QUIET,
    )
    save_file({"embeddings": embeddings}, workdir.gnn / "items.safetensors")
    assert answer() == first
    publish(workdir, data, settings, QUIET)
    assert answer() != first
    rollback(open_index(workdir, settings))
    assert answer() == first


def test_the_path_of_a_recommendation_imports_nothing_heavy(world: World) -> None:
    program = (
        "import sys; from pathlib import Path; from colisten.settings import Settings; "
        "from colisten.serving.query import Query; from colisten.serving.recommending import Recommender; "
        "from colisten.workdir import Workdir; "
        f"r = Recommender.open(Workdir.open(Path({str(world[0].root)!r})), Settings()); "
        "print(len(r.recommend(['u1'], Query()).items)); "
        "heavy = ('torch', 'polars', 'duckdb', 'ibis', 'pyarrow', 'qdrant_client', 'scipy'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.split("\n")[1] == "[]"
