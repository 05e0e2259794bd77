"""Held-out interactions leave no trace in the embeddings that validation works with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.arrays import Floats
from colisten.gnn.embedding import embed
from colisten.gnn.held_out_embeddings import embed_held_out
from colisten.gnn.in_memory import graph_in_memory
from colisten.gnn.node_types import group_types
from colisten.gnn.training import train_gnn
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories
from colisten.listening.history_reading import read_histories
from colisten.listening.importing import import_data
from colisten.progress import Progress
from colisten.settings import Settings
from tests.gnn.worlds import QUICK

QUIET = Progress(quiet=True)
SETTINGS = Settings(gnn=QUICK.model_copy(update={"max_epochs": 2}))
ALONE = "only-ann"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ListeningData:
    """Forty people share four audiobooks; Ann alone has heard one of two more, with one of the four."""
    folder = tmp_path_factory.mktemp("data")
    crowd = [(f"u{user}", f"a{(user + step) % 4}") for user in range(40) for step in range(2)]
    events = [*crowd, ("ann", ALONE), ("ann", "a0")]
    items = [f"a{n}" for n in range(4)] + [ALONE, "unheard"]
    interactions = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row").with_columns(
        item_type=pl.lit("audiobook"), signal=pl.lit("stream"), timestamp=pl.lit(0, pl.Int64)
    )
    interactions.write_parquet(folder / "interactions.parquet")
    pl.DataFrame({"item_id": items, "item_type": "audiobook", "title": items}).write_parquet(folder / "items.parquet")
    return import_data(str(folder), folder / "listening", SETTINGS, QUIET)


@pytest.fixture(scope="module")
def text(data: ListeningData) -> Floats:
    """All texts are alike: whatever tells items apart is the graph's."""
    return np.ones((len(data.items), 4), np.float32)


@pytest.fixture(scope="module")
def folder(data: ListeningData, text: Floats, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model."""
    folder = tmp_path_factory.mktemp("W") / "gnn"
    train_gnn(whole_graph(data, folder.parent), text, SETTINGS.gnn, seed=1, folder=folder, progress=QUIET)
    return folder


def whole_graph(data: ListeningData, scratch: Path) -> SnapshotAdjacency:
    return graph_in_memory(data, group_types(data, "audiobook", 4), SETTINGS.graph, scratch, QUIET)


def embedded(data: ListeningData, histories: UserHistories, text: Floats, folder: Path) -> dict[str, Floats]:
    vectors = embed_held_out(data, histories, text, SETTINGS, folder, QUIET)
    return dict(zip(data.items["item_id"], vectors, strict=True))


def test_with_nothing_hidden_it_is_the_graph_itself(
    data: ListeningData, text: Floats, folder: Path, tmp_path: Path
) -> None:
    found = embedded(data, read_histories(data), text, folder)
    wanted = embed(whole_graph(data, tmp_path), text, folder, QUIET)
    np.testing.assert_allclose(np.stack(list(found.values())), wanted, atol=1e-6)
    assert not np.allclose(found[ALONE], found["unheard"], atol=1e-3)


def test_a_hidden_pair_leaves_no_edge_behind(data: ListeningData, text: Floats, folder: Path) -> None:
    """Without Ann's pair her item is as unheard as the one that nobody has heard."""
    isolated = data.items.row(by_predicate=pl.col("item_id") == ALONE, named=True)["item"]
    everybody = read_histories(data)
    kept = everybody.keep(everybody.items != isolated)
    found = embedded(data, kept, text, folder)
    np.testing.assert_allclose(found[ALONE], found["unheard"], atol=1e-6)


def test_nothing_is_left_behind(data: ListeningData, text: Floats, folder: Path) -> None:
    before = set(folder.parent.iterdir())
    embedded(data, read_histories(data), text, folder)
    assert set(folder.parent.iterdir()) == before
