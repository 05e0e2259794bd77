from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from colisten.errors import SettingsError
from colisten.listening.data import ListeningData
from colisten.serving import many_on_spark
from colisten.serving.many import recommend_to
from colisten.serving.many_on_spark import recommend_on_spark
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

World = tuple[Workdir, ListeningData, Settings]


@pytest.mark.slow
def test_executors_answer_many_users_row_for_row(
    two_executors: SparkSession, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_on_spark, "USERS_AT_ONCE", 10)  # few users make one share else
    workdir, data, settings = world
    users, query = [*data.users["user_id"], "new", "u0"], Query(7, "podcast", exploration=0.4)
    (folder := tmp_path / "a folder").mkdir()
    with Recommender.open(workdir, settings) as recommender:
        assert recommend_to(folder / "here.parquet", recommender, users, query, QUIET) == ["new"]
        found = recommend_on_spark(folder / "there.parquet", workdir, settings, recommender, users, query, QUIET)
        assert found == ["new"]
        assert two_executors.sparkContext.statusTracker().getJobIdsForGroup(None)
        with pytest.raises(SettingsError, match="Klingon"):
            nobody = replace(query, languages=("Klingon",))
            recommend_on_spark(folder / "none.parquet", workdir, settings, recommender, users, nobody, QUIET)
    here, there = (pl.read_parquet(folder / f"{name}.parquet") for name in ("here", "there"))
    assert here.drop("score").equals(there.drop("score"))
    np.testing.assert_allclose(here["score"], there["score"], rtol=1e-4, atol=1e-5)
    assert {path.name for path in folder.iterdir()} == {"here.parquet", "there.parquet"}
