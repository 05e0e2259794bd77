"""What is probably meant otherwise than it was read is told, and nothing is told of ordinary data."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.listening.report import DataReport, check_data
from colisten.listening.times import usual_days
from colisten.listening.values import MISSING_WORDS
from colisten.progress import Progress
from colisten.settings import Settings
from tests.listening.sources import ITEMS, Importer, event

NOW = 1_700_000_000


def pairs(**changes: Any) -> list[dict[str, Any]]:
    return [event(item_id=item, timestamp=NOW, **changes) for item in ("book", "other")]


def report(importer: Importer) -> DataReport:
    return check_data(str(importer.source), Settings.load(), Progress(quiet=True))


def test_ordinary_data_gives_no_warning(importer: Importer) -> None:
    texts = {"language": "en", "genres": ["Mystery", "R&B"], "creators": ["Berg, Anna"]}
    assert report(importer.write(pairs(), items=[row | texts for row in ITEMS])).warnings == []


@pytest.mark.parametrize("word", [*MISSING_WORDS, "unknown"])
def test_a_listener_called_nothing(importer: Importer, word: str) -> None:
    found = report(importer.write([*pairs(), *pairs(user_id=word)]))
    assert found.warnings == [f"2 interactions have the user_id '{word}': leave out those whose user_id is missing."]
    assert found.listeners == {word: 2, "u": 2}


@pytest.mark.parametrize("column", ["title", "description", "language", "genres", "creators", "series"])
@pytest.mark.parametrize("word", MISSING_WORDS)
def test_words_for_nothing_are_missing(importer: Importer, column: str, word: str) -> None:
    importer.write(pairs(), items=[row | {column: word} for row in ITEMS])
    assert report(importer).warnings == [f"3 items have a {column} such as '{word}': it is read as missing."]
    assert importer.run().items[column].null_count() == 3


@pytest.mark.parametrize("genre", ["Crime;Nordic", "Crime, Nordic", "Crime,Nordic", "a|b", "[x"])
def test_packed_genres(importer: Importer, genre: str) -> None:
    found = report(importer.write(pairs(), items=[row | {"genres": [genre]} for row in ITEMS]))
    assert found.genres == {genre: 3}
    assert found.warnings == [f"3 values of genres look like packed lists, such as {genre!r}: part its values by |."]


def test_the_most_frequent_values_are_listed(importer: Importer) -> None:
    languages = ["en", "en", "de"]
    importer.write(
        [*pairs(), *pairs(user_id="v"), event(user_id="v", timestamp=NOW, value=7.0)],
        items=[row | {"language": one, "genres": ["a", one]} for row, one in zip(ITEMS, languages, strict=True)],
    )
    found = report(importer)
    assert (found.languages, found.listeners) == ({"en": 2, "de": 1}, {"v": 3, "u": 2})
    assert found.genres == {"a": 3, "en": 2, "de": 1}


@pytest.mark.parametrize(("rows", "told"), [(10, False), (11, True)])
def test_a_user_of_most_rows(importer: Importer, rows: int, told: bool) -> None:
    """As whoever is not signed in may be called anything."""
    often = [event(user_id="-1", timestamp=NOW + place) for place in range(rows)]
    rest = [one | {"timestamp": NOW + place} for place in range(5) for one in (*pairs(), *pairs(user_id="v"))]
    found = report(importer.write([*often, *rest[: 21 - rows]])).warnings
    told_of = f"{rows} of 21 interactions are of the user '-1': leave them out if that is whoever is not signed in."
    assert found == [told_of] * told


def test_nobody_with_two_items(importer: Importer) -> None:
    assert "No user has two items" in report(importer.write([event(timestamp=NOW)])).warnings[0]


def days(*texts: str) -> list[int]:
    return [int(datetime.datetime.fromisoformat(f"{text}T12:00Z").timestamp()) for text in texts]


@pytest.mark.parametrize(
    ("odd", "warning"),
    [("2096-10-02", r"1 times lie after today (the last on 2096-10-02): is a clock wrong?"),
     ("1970-01-01", "1 times lie in 1970: leave them empty where they are not known, and give seconds."),
     ("2001-01-01", "1 times lie far from all others (2001-01-01, say): those are of 2023-03-01 to 2023-03-28."),
     ("2024-01-01", "1 times lie far from all others (2024-01-01, say): those are of 2023-03-01 to 2023-03-28.")],
)  # fmt: skip
def test_odd_times(importer: Importer, odd: str, warning: str) -> None:
    usual = days(*(f"2023-03-{day:02}" for day in range(1, 29)))
    events = [event(user_id=f"u{place}", item_id=item, timestamp=second) for place, second in enumerate(usual * 4)
              for item in ("book", "other")]  # fmt: skip
    importer.write([*events, event(timestamp=days(odd)[0], user_id="u0")])
    assert report(importer).warnings == [warning]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300))
def test_days_without_long_gaps_are_all_usual(rows: list[int]) -> None:
    found = usual_days(np.arange(len(rows)), np.array(rows))
    assert (found.first, found.last) == (0, len(rows) - 1)


@given(st.integers(2, 99), st.integers(30, 4000))
def test_few_rows_are_never_odd(rows: int, gap: int) -> None:
    found = usual_days(np.array([0, gap]), np.array([rows - 1, 1]))
    assert (found.first, found.last) == (0, gap)


@given(st.integers(20, 400), st.integers(1, 3), st.booleans())
def test_a_few_rows_behind_a_long_gap_are_odd(span: int, odd: int, early: bool) -> None:
    day = np.append(np.arange(span), span + max(8, span // 10))
    rows = np.append(np.full(span, 40), odd)
    if early:
        day, rows = -day[::-1], rows[::-1]
    found = usual_days(day, rows)
    assert (found.first, found.last) == ((-(span - 1), 0) if early else (0, span - 1))


@pytest.mark.parametrize(("published", "told"), [("12", True), ("0999-12-31", True), ("1000", False), ("-5", False)])
def test_years_that_may_be_none(importer: Importer, published: str, told: bool) -> None:
    found = report(importer.write(pairs(), items=[ITEMS[0] | {"published": published}, *ITEMS[1:]]))
    year = published[:4].lstrip("0")
    warning = f"1 items were published before the year 1000, 'book' in the year {year}, say: is that what the number"
    assert [text.startswith(warning) for text in found.warnings] == [True] * told


@pytest.mark.parametrize(
    "column", [pl.Series([[0.5, 1.0]]), pl.Series([["a"]]), pl.Series([{"a": 1}]), pl.Series([b"\xff"])]
)
def test_a_column_that_is_no_feature_is_left_out(importer: Importer, column: pl.Series) -> None:
    importer.write(pairs())
    users = pl.DataFrame({"user_id": ["u"], "age": [30]}).with_columns(column.alias("[/odd]"))
    users.write_parquet(importer.source / "users.parquet")
    (warning,) = report(importer).warnings
    assert warning.startswith("The column '[/odd]' of users is ")
    assert importer.run().users.columns == ["user", "user_id", "taste", "age"]
