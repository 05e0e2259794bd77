"""User vectors in a file are those that recommendations are made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from colisten.errors import IndexStoreError
from colisten.listening.data import ListeningData
from colisten.listening.history_reading import read_histories
from colisten.serving.recommending import Recommender
from colisten.serving.user_export import export_users
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET, SIGNALS, served
from tests.worlds import Event, write_listening


def test_everybody_has_the_vector_of_the_user_tower(
    world: tuple[Workdir, ListeningData, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workdir, data, settings = world
    out = tmp_path / "users.parquet"
    monkeypatch.setattr("colisten.serving.user_export._AT_ONCE", 7)
    with Recommender.open(workdir, settings) as recommender:
        assert export_users(out, recommender, None, QUIET) == len(data.users)
        wanted = recommender.encoder.parts["towers"].encode(read_histories(data))
        found = pl.read_parquet(out)
        assert found["user_id"].to_list() == sorted(data.users["user_id"])
        together = data.users.select("user_id", "user").join(found, on="user_id").sort("user")
        np.testing.assert_allclose(together["vector"].to_numpy(), wanted, atol=1e-6)
        metadata = pq.read_schema(out).metadata
        assert metadata[b"colisten.collection"].decode() == recommender.collection.name
        assert export_users(out, recommender, ["u3", "who?", "u3"], QUIET) == 2
        assert pl.read_parquet(out)["user_id"].to_list() == ["u3", "who?"]
        without = replace(recommender, encoder=replace(recommender.encoder, parts={}))
        with pytest.raises(IndexStoreError, match="no user vectors"):
            export_users(out, without, None, QUIET)
    assert pl.read_parquet(out)["user_id"].to_list() == ["u3", "who?"], "what was there stays"


def heard_by_taste() -> list[Event]:
    """200 people hear half of 60 podcasts, 200 the other half, all as many; a quarter of either heard audiobooks."""
    rng, events = np.random.default_rng(1), list[Event]()
    for user in range(400):
        podcasts = rng.choice(30, rng.integers(4, 12), replace=False) * 2 + user % 2
        books = (rng.choice(10, 3, replace=False) * 2 + user % 2 + 60)[: 3 * (user % 8 < 2)]
        events += [(user, int(item), 0, 1_700_000_000 + int(rng.integers(10**6))) for item in [*podcasts, *books]]
    return events


@pytest.mark.slow
def test_vectors_tell_what_they_were_not_trained_for_better_than_counts(tmp_path: Path) -> None:
    """Who starts a first audiobook, where taste decides it: four of five of one half, one of five of the other."""
    events, types = heard_by_taste(), ["podcast"] * 60 + ["audiobook"] * 20
    matrix = np.zeros((400, len(types)), np.float32)
    matrix[[user for user, *_ in events], [item for _, item, *_ in events]] = 1
    workdir, data, settings = served(
        tmp_path / "W",
        write=lambda folder: write_listening(folder, types, events, signals=SIGNALS),
        embeddings=np.linalg.svd(matrix, full_matrices=False)[2][:6].T.copy(),  # a graph network's would be as good
    )
    with Recommender.open(workdir, settings) as recommender:
        export_users(tmp_path / "users.parquet", recommender, None, QUIET)
    counts = data.streams.join(data.items.lazy().select("item", "item_type"), on="item").collect()
    wide = counts.group_by("user").agg(
        *((pl.col("item_type") == kind).sum().log1p().alias(kind) for kind in ("podcast", "audiobook")),
        latest=pl.col("timestamp").max() / 1e6,
    )
    people = data.users.join(wide, on="user").join(pl.read_parquet(tmp_path / "users.parquet"), on="user_id")
    asked = people.filter(pl.col("audiobook") == 0).sort("user")
    odd = asked["user"].to_numpy() % 2 == 1
    starts = np.random.default_rng(2).random(len(asked)) < np.where(odd, 0.8, 0.2)
    by_counts, by_vector = (
        cross_val_score(LogisticRegression(), rows, starts, cv=5, scoring="roc_auc").mean()
        for rows in (asked["podcast", "latest"].to_numpy(), asked["vector"].to_numpy())
    )
    assert by_counts < 0.6
    assert by_vector > 0.75
