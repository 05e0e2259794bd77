"""Reading a split, its segments, and that nothing of it may leak into training."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from colisten.errors import DataError
from colisten.evaluation.held_out_streams import check_no_leaks, read_held_out
from colisten.evaluation.scores import score

from . import worlds


def small(root: Path) -> Path:
    """Six books: ten streams of b0, …, one of b4, none of b5; u9 never touched a book but for a follow."""
    streams = [
        (f"u{user}", f"b{book}", "book", "stream") for book in range(5) for user in range(10) if user % 5 >= book
    ]
    streams = [row for row in streams if row[0] != "u9"]
    others = [("u9", "s0", "show", "stream"), ("u8", "s0", "show", "stream"), ("u7", "b5", "book", "follow")]
    (root / "train").mkdir(parents=True)
    pl.DataFrame(streams + others, schema=["user_id", "item_id", "item_type", "signal"], orient="row").with_columns(
        timestamp=pl.lit(None, dtype=pl.Int64)
    ).write_parquet(root / "train" / "interactions.parquet")
    books = [{"item_id": f"b{i}", "item_type": "book", "title": f"b{i}"} for i in range(6)]
    pl.DataFrame([*books, {"item_id": "s0", "item_type": "show", "title": "s"}]).write_parquet(
        root / "train" / "items.parquet"
    )
    test = {"user_id": ["u0", "u0", "u9", "u7"], "item_id": ["b4", "b5", "b0", "b5"]}
    pl.DataFrame(test).write_parquet(root / "test.parquet")
    (root / "split.json").write_text(json.dumps({"target": "book", "strong": "stream"}))
    return root


def test_segments(tmp_path: Path) -> None:
    (held_out,) = read_held_out(small(tmp_path / "split"))
    assert held_out.item_type == "book"
    assert held_out.listeners == 9
    pairs = held_out.pairs
    assert dict(zip(pairs["user_id"], pairs["warm"], strict=True)) == {"u0": True, "u9": False, "u7": True}
    assert pairs["tail"].to_list() == [True, True, False, True]
    assert pairs["unseen"].to_list() == [False, True, False, True]
    assert dict(held_out.catalogue.select("item_id", "listeners").iter_rows())["b5"] == 0
    assert list(held_out.segments) == ["all", "warm", "cold", "tail items", "unseen items"]


def test_countries_are_segments(tmp_path: Path) -> None:
    held_out = read_held_out(worlds.random_split(tmp_path / "split"))[0]
    assert {name for name in held_out.segments if name.startswith("country")} == {"country SE", "country US"}


def test_each_held_out_type_is_evaluated_on_its_own(tmp_path: Path) -> None:
    split = small(tmp_path / "split")
    pl.concat(
        [pl.read_parquet(split / "test.parquet"), pl.DataFrame({"user_id": ["u1"], "item_id": ["s0"]})]
    ).write_parquet(split / "test.parquet")
    books, shows = read_held_out(split)
    assert (books.item_type, shows.item_type) == ("book", "show")
    assert (len(books.pairs), len(shows.pairs)) == (4, 1)
    assert not shows.pairs["warm"][0]


def test_genres_in_another_form_are_null(tmp_path: Path) -> None:
    split = small(tmp_path / "split")
    file = split / "train" / "items.parquet"
    pl.read_parquet(file).with_columns(genres=pl.lit("crime, history")).write_parquet(file)
    assert read_held_out(split)[0].catalogue["genres"].null_count() == 6


@pytest.mark.parametrize("gone", ["split.json", "test.parquet", "train/interactions.parquet", "train/items.parquet"])
def test_a_split_with_a_part_missing_is_refused(gone: str, tmp_path: Path) -> None:
    split = small(tmp_path / "split")
    (split / gone).unlink()
    with pytest.raises(DataError, match="colisten data split"):
        read_held_out(split)


@pytest.mark.parametrize("about", ["", "[]", "3", '{"target": "book"}', '{"target": "book", "strong": null}'])
def test_a_split_that_says_nothing_of_use_is_refused(about: str, tmp_path: Path) -> None:
    split = small(tmp_path / "split")
    (split / "split.json").write_text(about)
    with pytest.raises(DataError, match="colisten data split"):
        read_held_out(split)


def test_training_on_what_is_held_out_is_refused(tmp_path: Path) -> None:
    split = worlds.random_split(tmp_path / "split")
    held_out = read_held_out(split)
    check_no_leaks(worlds.import_split(split, tmp_path / "clean", "target=book"), held_out)
    hidden = held_out[0].pairs.head(1).select("user_id", "item_id", item_type=pl.lit("book"), signal=pl.lit("stream"))
    train = split / "train" / "interactions.parquet"
    pl.concat([pl.read_parquet(train), hidden], how="diagonal").write_parquet(train)
    with pytest.raises(DataError, match="1 of the held-out streams"):
        check_no_leaks(worlds.import_split(split, tmp_path / "leaky", "target=book"), held_out)


def test_an_unknown_value_is_the_mean_of_its_own_type(tmp_path: Path) -> None:
    split = small(tmp_path / "split")
    shows = pl.DataFrame({"user_id": ["u1", "u2"], "item_id": ["s0", "s0"]})
    pl.concat([pl.read_parquet(split / "test.parquet"), shows]).write_parquet(split / "test.parquet")
    values = {"user_id": ["u0", "u1"], "item_id": ["b4", "s0"], "value": [2.0, 900.0]}
    pl.DataFrame(values).write_parquet(split / "values.parquet")
    books, podcasts = read_held_out(split)
    assert set(books.pairs["value"]) == {2.0}
    assert set(podcasts.pairs["value"]) == {900.0}


def test_what_was_streamed_longer_counts_more(tmp_path: Path) -> None:
    split = worlds.random_split(tmp_path / "split")
    (plain,) = read_held_out(split)
    assert plain.pairs["value"].count() == 0
    pairs = plain.pairs.select("user_id", "item_id")
    known = pairs.head(-1).with_columns(value=pl.int_range(1, len(pairs)).cast(pl.Float32))
    known.write_parquet(split / "values.parquet")
    (valued,) = read_held_out(split)
    expected = [*range(1, len(pairs)), len(pairs) / 2]
    assert valued.pairs["value"].to_list() == pytest.approx(expected)
    lists = pairs.head(1).with_columns(score=pl.lit(1.0), rank=pl.lit(1))
    found = score(valued, lists, 10).accuracy["all"]
    first = pairs["user_id"][0]
    mine = valued.pairs.filter(pl.col("user_id") == first)["value"]
    row = found.filter(pl.col("user_id") == first)
    assert row["value recall@10"].item() == pytest.approx(mine[0] / mine.sum())
    assert found["value recall@10"].sum() == pytest.approx(row["value recall@10"].item())
