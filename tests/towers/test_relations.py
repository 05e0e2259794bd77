"""Relations as parts of the score."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from colisten.settings import RelationSettings
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.relations import BACKWARDS, relation_matrices


def dense(matrix: ItemMatrix) -> list[list[float]]:
    found = np.zeros((len(matrix), len(matrix)), np.float32)
    for row in range(len(matrix)):
        for items, weights in matrix.rows(slice(row, row + 1)):
            found[row, items] = weights
    return [[float(value) for value in row] for row in found]


EDGES = pl.DataFrame(
    [
        (0, 1, "same_series", 1.0, 1.0), (1, 2, "same_series", 0.5, -2.0), (0, 2, "same_series", 0.5, None),
        (2, 0, "sequel_of", 0.8, None), (1, 2, "editors_list", 0.7, None), (0, 2, "seen", 1.0, None),
    ],
    {"src": pl.Int32, "dst": pl.Int32, "relation": pl.String, "weight": pl.Float32, "step": pl.Float32},
    orient="row",
)  # fmt: skip


def test_an_undirected_relation_counts_both_ways_and_the_next_of_a_series_more_than_the_one_before() -> None:
    found = relation_matrices(EDGES, 3, [RelationSettings(name="same_series")])
    assert dense(found["same_series"]) == [[0, 1, 0.5], [BACKWARDS, 0, 0.5 * BACKWARDS], [0.5, 0.5, 0]]


def test_a_directed_relation_counts_one_way_and_one_for_curators_not_at_all() -> None:
    asked = [
        RelationSettings(name="sequel_of", directed=True), RelationSettings(name="editors_list"),
        RelationSettings(name="seen", graph_only=True), RelationSettings(name="nobody_uses"),
    ]  # fmt: skip
    found = relation_matrices(EDGES, 3, asked)
    assert list(found) == ["sequel_of", "editors_list"]
    assert dense(found["sequel_of"]) == [[0, 0, 0], [0, 0, 0], [pytest.approx(0.8), 0, 0]]
    assert dense(found["editors_list"]) == [[0, 0, 0], [0, 0, pytest.approx(0.7)], [0, pytest.approx(0.7), 0]]
