"""User vectors in a file are those that recommendations are made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from colisten.errors import IndexStoreError
from colisten.listening.data import ListeningData
from colisten.listening.history_reading import read_histories
from colisten.serving.recommending import Recommender
from colisten.serving.user_export import export_users
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET


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
