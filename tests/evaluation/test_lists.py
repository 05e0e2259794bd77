"""Faulty recommendations are counted, and never count as hits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from colisten.errors import DataError
from colisten.evaluation.held_out_streams import HeldOutStreams, read_held_out
from colisten.evaluation.lists import faults, renumber_ranks
from colisten.evaluation.scores import score

from . import worlds


@pytest.fixture
def held_out(tmp_path: Path) -> HeldOutStreams:
    return read_held_out(worlds.random_split(tmp_path / "split"))[0]


def lists(*rows: tuple[str, str, float, int]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["user_id", "item_id", "score", "rank"], orient="row")


def test_faults_are_counted(held_out: HeldOutStreams) -> None:
    user, hidden = held_out.pairs.select("user_id", "item_id").row(0)
    listener, streamed = held_out.streamed.row(0)
    table = lists((user, hidden, 2.0, 1), (user, "nothing", 1.0, 2), (user, hidden, 1.0, 3))
    if listener != user:
        table = pl.concat([table, lists((listener, streamed, 1.0, 1))])
    found = faults(renumber_ranks(table), held_out, k=2)
    assert (found.foreign, found.repeated) == (1, 1)
    assert found.heard == int(listener != user)
    assert found.users_tied == 1
    assert found.users_without == held_out.pairs["user_id"].n_unique() - 1 - (listener != user)
    assert any("not items of the type" in sentence for sentence in found.sentences())


def test_users_without_recommendations_count_as_zero(held_out: HeldOutStreams) -> None:
    user, hidden = held_out.pairs.select("user_id", "item_id").row(0)
    found = score(held_out, lists((user, hidden, 1.0, 1)), k=10)
    assert len(found.accuracy["all"]) == held_out.pairs["user_id"].n_unique()
    assert found.accuracy["all"]["hr@10"].sum() == 1


def test_a_repeated_item_counts_once_at_its_best_rank(held_out: HeldOutStreams) -> None:
    user, hidden = held_out.pairs.select("user_id", "item_id").row(0)
    once = score(held_out, lists((user, hidden, 1.0, 1)), k=10)
    twice = score(held_out, lists((user, hidden, 1.0, 1), (user, hidden, 1.0, 2)), k=10)
    assert once.accuracy["all"].equals(twice.accuracy["all"])


def test_what_a_catalogue_without_genres_cannot_say_is_left_out(held_out: HeldOutStreams) -> None:
    genres = pl.Series("genres", [["crime"]] * len(held_out.catalogue))
    shown = lists(*((user, hidden, 1.0, 1) for user, hidden in held_out.pairs.select("user_id", "item_id").rows()))
    catalogues = [held_out.catalogue.with_columns(genres=each) for each in (genres, pl.lit(None, genres.dtype))]
    told, silent = (score(replace(held_out, catalogue=catalogue), shown, k=10) for catalogue in catalogues)
    assert set(told.lists) - set(silent.lists) == {"calibration@10"}
    assert all(isinstance(figure, float) for figure in silent.lists.values())


def test_ranks_are_counted_anew() -> None:
    found = renumber_ranks(lists(("b", "x", 1.0, 7), ("a", "y", 1.0, 30), ("a", "x", 2.0, 4)))
    assert found.select("user_id", "item_id", "rank").rows() == [("a", "x", 1), ("a", "y", 2), ("b", "x", 1)]


def test_tables_that_are_no_lists_are_refused(held_out: HeldOutStreams) -> None:
    with pytest.raises(DataError, match="'rank'"):
        score(held_out, lists(("a", "x", 1.0, 1)).drop("rank"), k=10)
    with pytest.raises(DataError, match="no rank"):
        score(held_out, lists(("a", "x", 1.0, 1)).with_columns(rank=pl.lit(None, dtype=pl.Int64)), k=10)
