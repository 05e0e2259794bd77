"""Columns of the users table, with what serving may bring that training never saw."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from colisten.errors import DataError
from colisten.towers.features.columns import TextColumn, encode_columns, fit_columns, from_json, to_json

TRAINED: dict[str, Sequence[object]] = {
    "age": [20, 40, None, 60],
    "country": ["GB", "GB", "GB", "XX"],
    "nothing": [None] * 4,
    "taste": [[3.0, 4.0], None, [0.0, 2.0], [1.0, 0.0]],
}


def test_each_column_becomes_numbers_and_an_empty_one_nothing() -> None:
    columns = fit_columns(TRAINED)
    assert [column.name for column in columns] == ["age", "country", "taste"]
    found = encode_columns(columns, TRAINED, 4)
    assert found[:, :2].tolist() == pytest.approx(np.array([[-1.2247, 0], [0, 0], [0, 1], [1.2247, 0]]), abs=1e-3)
    assert found[:, 2:5].tolist() == [[1, 0, 0]] * 3 + [[0, 1, 0]], "a value of too few users counts as any other"
    assert found[:, 5:].tolist() == pytest.approx(np.array([[0.6, 0.8, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]))


def test_unknown_words_missing_columns_and_words_for_numbers_are_taken_in() -> None:
    columns = fit_columns(TRAINED)
    found = encode_columns(columns, {"country": ["ZZ", None], "age": ["old", "40"], "hobby": ["x", "y"]}, 2)
    assert found[:, :2].tolist() == [[0, 1], [0, 0]]
    assert found[:, 2:5].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert found[:, 5:].tolist() == [[0, 0, 1]] * 2


def test_a_taste_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="taste"):
        encode_columns(fit_columns(TRAINED), {"taste": [[1.0, 2.0, 3.0]]}, 1)


def test_columns_survive_json() -> None:
    columns = fit_columns(TRAINED)
    assert tuple(from_json(json.loads(json.dumps(to_json(column)))) for column in columns) == columns


def test_no_users_table_is_no_columns() -> None:
    assert encode_columns(fit_columns({}), {}, 3).shape == (3, 0)
    assert TextColumn("flag", ()).encode([True, None]).tolist() == [[1, 0], [0, 1]]
