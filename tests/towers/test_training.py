"""The whole room on small worlds: learning, exporting, and encoding without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from colisten.arrays import Floats
from colisten.errors import WorkdirError
from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories
from colisten.listening.history_reading import read_histories
from colisten.progress import Progress
from colisten.settings import Settings, TowersSettings
from colisten.towers.parts import TowerPart
from colisten.towers.selection.tower_selection import TowerSelection
from colisten.towers.training import train_towers
from colisten.towers.two_tower.trainer import TrainingOptions
from colisten.towers.user_encoder import FORMAT, UserEncoder
from colisten.towers.user_vectors import UserVectors
from tests.worlds import Event, plain_users

from . import worlds

SETTINGS = Settings(
    target="book",
    towers=TowersSettings(hidden=(32, 16), dim=8, batch_size=128, epochs=12, learning_rate=1e-2, minutes=0),
)
NOBODY = UserHistories(np.zeros(2, np.int64), np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.int64), {})


def train(data: ListeningData, text: Floats, out: Path, settings: Settings = SETTINGS) -> TowerSelection:
    embeddings = np.random.default_rng(5).normal(size=(len(text), 4)).astype(np.float32)
    with Progress(quiet=True) as progress:
        return train_towers(data, text, embeddings, lambda _: embeddings, settings, out, progress)


def scores(data: ListeningData, out: Path) -> Floats:
    encoder = UserEncoder.load(out)
    return encoder.encode(read_histories(data)).scores(encoder.item_vectors, np.arange(len(data.items)))


def same_as(found: UserVectors, wanted: UserVectors) -> None:
    np.testing.assert_allclose(found.dense, wanted.dense, atol=1e-5)
    np.testing.assert_array_equal(found.sparse.keys, wanted.sparse.keys)
    np.testing.assert_allclose(found.sparse.values, wanted.sparse.values, rtol=1e-4)


def separation(data: ListeningData, found: Floats) -> float:
    """Chance that an item of the user's own circle scores above one of another circle."""
    mine = (np.arange(found.shape[1])[None] % 4) == (np.arange(len(found))[:, None] % 4)
    return float(np.mean([(found[u][mine[u]][:, None] > found[u][~mine[u]]).mean() for u in range(len(found))]))


@pytest.mark.parametrize("types", [("book",), ("book", "pod"), ("album", "book", "pod")])
def test_towers_learn_whose_items_are_whose(tmp_path: Path, types: tuple[str, ...]) -> None:
    data, text = worlds.clustered(tmp_path / "data", types=types)
    selection = train(data, text, tmp_path / "towers")
    assert selection.validation
    assert selection.validation["warm"]["mix"] > 0.5
    assert separation(data, scores(data, tmp_path / "towers")) > 0.9


def test_mixed_precision_learns_as_well(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", types=("book", "pod"))
    for precision in ("32-true", "bf16-mixed"):
        towers = SETTINGS.towers.model_copy(update={"precision": precision, "parts": ("towers",)})
        train(data, text, tmp_path / precision, SETTINGS.model_copy(update={"towers": towers}))
    exact, mixed = (scores(data, tmp_path / precision) for precision in ("32-true", "bf16-mixed"))
    assert not np.array_equal(exact, mixed)
    assert separation(data, mixed) == pytest.approx(separation(data, exact), abs=0.03)


def test_no_users_table_no_text_no_graph(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", described=False)
    with Progress(quiet=True) as progress:
        nothing = np.empty((len(text), 0), np.float32)
        train_towers(data, nothing, nothing, lambda _: nothing, SETTINGS, tmp_path / "towers", progress)
    assert np.isfinite(scores(data, tmp_path / "towers")).all()


def test_many_types_a_missing_target_and_one_event(tmp_path: Path) -> None:
    types = tuple(f"type{i:02}" for i in range(29))
    data, text = worlds.clustered(tmp_path / "many", types=types, per_type=4, users=40)
    train(data, text, tmp_path / "towers", SETTINGS.model_copy(update={"target": "film"}))
    assert scores(data, tmp_path / "towers").shape == (40, 116)
    lone = worlds.write(tmp_path / "one", ["book"] * 3, [(0, 1, 0, None)], plain_users(2))
    train(lone, text[:3], tmp_path / "towers")
    assert np.isfinite(scores(lone, tmp_path / "towers")).all()


@pytest.mark.parametrize("parts", [("linear",), ("demand",), ("linear", "towers")])
def test_one_event_is_enough_for_any_parts(tmp_path: Path, parts: tuple[str, ...]) -> None:
    lone = worlds.write(tmp_path / "one", ["book"] * 3, [(0, 1, 0, None)], plain_users(2))
    towers = SETTINGS.towers.model_copy(update={"parts": parts})
    settings = SETTINGS.model_copy(update={"towers": towers})
    train(lone, np.zeros((3, 8), np.float32), tmp_path / "towers", settings)
    found = scores(lone, tmp_path / "towers")
    assert np.isfinite(found).all()
    if "towers" not in parts:
        assert (found.argmax(axis=1) == 1).all(), "what was heard is what is popular"


def test_the_exported_encoder_gives_what_the_torch_tower_gives(tmp_path: Path) -> None:
    from colisten.towers.two_tower.model import Tower

    data, text = worlds.clustered(tmp_path / "data")
    towers = SETTINGS.towers.model_copy(update={"parts": ("towers",)})
    train(data, text, tmp_path / "towers", SETTINGS.model_copy(update={"towers": towers}))
    part = UserEncoder.load(tmp_path / "towers").parts["towers"]
    assert isinstance(part, TowerPart)
    people = read_histories(data)
    import torch

    weights = load_file(tmp_path / "towers" / "towers.safetensors")
    tower = Tower(part.features.width, SETTINGS.towers.hidden, SETTINGS.towers.dim, 0.0).eval()
    tower.load_state_dict(
        {k.removeprefix("user."): torch.tensor(v) for k, v in weights.items() if k.startswith("user.")}
    )
    wanted = tower(torch.from_numpy(part.features.encode(people))).detach().numpy()
    np.testing.assert_allclose(part.encode(people), wanted, atol=1e-5)


def test_encoding_needs_numpy_alone(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data")
    train(data, text, tmp_path / "towers")
    code = (
        "import sys; from pathlib import Path; from colisten.towers.user_encoder import FORMAT, UserEncoder;"
        f"UserEncoder.load(Path({str(tmp_path / 'towers')!r}));"
        "sys.exit(' '.join({'torch', 'polars', 'scipy', 'safetensors', 'pydantic'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_towers_of_another_version_are_told(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", users=30)
    train(data, text, tmp_path / "towers")
    spec = tmp_path / "towers/spec.json"
    spec.write_text(spec.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    with pytest.raises(WorkdirError, match="run `colisten run`"):
        UserEncoder.load(tmp_path / "towers")


def test_the_same_seed_gives_the_same_vectors_and_another_seed_others(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", users=60)
    settings = SETTINGS.model_copy(update={"towers": SETTINGS.towers.model_copy(update={"epochs": 1})})
    found = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        train(data, text, tmp_path / name, settings.model_copy(update={"seed": seed}))
        found.append((tmp_path / name / "items.safetensors").read_bytes())
    assert found[0] == found[1] != found[2]


def test_shards_of_users_learn_as_well_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, text = worlds.clustered(tmp_path / "data")
    monkeypatch.setattr("colisten.towers.two_tower.trainer._EVENT_BYTES", 1 << 14)
    little = SETTINGS.model_copy(update={"towers": SETTINGS.towers.model_copy(update={"cache_mb": 1})})
    train(data, text, tmp_path / "towers", little)
    assert separation(data, scores(data, tmp_path / "towers")) > 0.9


def test_unknown_values_and_nobody_get_vectors_and_nobody_the_popular_items(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, 31)
    chance = share / share.sum()
    events: list[Event] = [(u, int(i), 0, None) for u in range(300) for i in rng.choice(30, 5, replace=False, p=chance)]
    data = worlds.write(tmp_path / "data", ["book"] * 30, events, worlds.described_users(300, rng))
    text = rng.normal(size=(30, 8)).astype(np.float32)
    train(data, text, tmp_path / "towers")
    encoder = UserEncoder.load(tmp_path / "towers")
    top = np.argsort(-encoder.encode(NOBODY).scores(encoder.item_vectors, np.arange(30))[0])[:5]
    assert top.mean() < 6, "popularity falls with the item's number"
    newer = replace(
        NOBODY, indptr=np.array([0, 2]), items=np.array([30, 2], np.int32), signals=np.array([0, 9], np.uint8)
    )
    newer = replace(newer, timestamps=np.array([-1, -1]))
    same_as(encoder.encode(newer), encoder.encode(NOBODY))
    stranger = replace(NOBODY, features={"country": ["Atlantis"], "age": [None], "shoe size": [44]})
    assert np.isfinite(encoder.encode(stranger).dense).all()


def test_many_users_at_once_are_encoded_as_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, text = worlds.clustered(tmp_path / "data", users=30)
    train(data, text, tmp_path / "towers")
    encoder, people = UserEncoder.load(tmp_path / "towers"), read_histories(data)
    whole = encoder.encode(people)
    monkeypatch.setattr("colisten.towers.user_encoder._USERS_AT_ONCE", 7)
    same_as(encoder.encode(people), whole)
    same_as(encoder.encode(read_histories(data, np.array([5, 2], np.int32))), whole.take(np.array([5, 2])))


def test_listeners_are_read_as_written(tmp_path: Path) -> None:
    data, _ = worlds.clustered(tmp_path / "data", users=20, timed=True)
    people = read_histories(data, np.array([3, 0, 3], np.int32))
    table = pl.read_parquet(data.interactions)
    for place, user in enumerate((3, 0, 3)):
        mine = table.filter(pl.col("user") == user)
        events = slice(*people.indptr[place : place + 2])
        assert people.items[events].tolist() == mine["item"].to_list()
        assert people.timestamps[events].tolist() == mine["timestamp"].to_list()
    assert people.features["age"] == data.users["age"].gather([3, 0, 3]).to_list()


def test_what_nobody_set_is_tried(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", types=("book", "pod"))
    towers = SETTINGS.towers.model_copy(update={"minutes": 5.0, "parts": ("towers", "demand"), "epochs": 3})
    selection = train(data, text, tmp_path / "towers", SETTINGS.model_copy(update={"towers": towers}))
    first = ["temperature 0.07", "other_types 3"]
    sharper, more = (name in selection.kept for name in first)
    assert list(selection.tried) == [
        *first, "temperature 0.05" if sharper else "temperature 0.14", *([] if more else ["other_types 0"])
    ]  # fmt: skip
    kept = dict(name.split() for name in selection.kept)
    assert selection.training_options == TrainingOptions(
        **{**asdict(TrainingOptions()), **{name: float(value) for name, value in kept.items()}}
    )
    given = towers.model_copy(update={"temperature": 0.3, "other_types": 1.0})
    selection = train(data, text, tmp_path / "given", SETTINGS.model_copy(update={"towers": given}))
    assert (selection.training_options, selection.tried) == (TrainingOptions(0.3, 1.0), {})


def test_pure_noise_ends_at_popularity(tmp_path: Path) -> None:
    """Items are drawn by popularity alone: nothing that is tried finds more than popularity does."""
    rng = np.random.default_rng(4)
    share = 1 / np.arange(1, 81) ** 0.8
    chance = share / share.sum()
    events: list[Event] = [(u, int(i), 0, None) for u in range(900) for i in rng.choice(80, 8, replace=False, p=chance)]
    data = worlds.write(tmp_path / "data", ["book"] * 60 + ["pod"] * 20, events, plain_users(900))
    text = rng.normal(size=(80, 8)).astype(np.float32)
    towers = SETTINGS.towers.model_copy(update={"minutes": 2.0, "epochs": 2})
    train(data, text, tmp_path / "towers", SETTINGS.model_copy(update={"towers": towers}))
    gone = np.zeros((900, 80), bool)
    for user, item, _, _ in events:
        gone[user, item] = True

    def likely(found: Floats) -> float:
        """Mean chance of the ten best."""
        best = np.argsort(-np.where(gone[:, :60], -np.inf, found[:, :60]), axis=1)[:, :10]
        return float(chance[best].sum(axis=1).mean())

    popular = np.tile(gone.sum(axis=0).astype(np.float32), (900, 1))
    assert likely(scores(data, tmp_path / "towers")) > 0.96 * likely(popular)
