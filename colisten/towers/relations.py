"""Relations of the graph as parts of the score: an item is found by what it is related to, heard by anybody or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from colisten.arrays import Int64s
from colisten.listening.histories import UserHistories
from colisten.settings import RelationSettings
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.linear.model import interaction_matrix
from colisten.towers.scipy_rows import from_rows, row_scorer
from colisten.towers.selection.ranking_task import Scorer

NO_RELATIONS: Mapping[str, ItemMatrix] = MappingProxyType({})
BACKWARDS = 0.5
"""What an earlier item of a series counts against a later one: few go back to what they passed over."""


def relation_matrices(edges: pl.DataFrame, items: int, relations: Iterable[RelationSettings]) -> dict[str, ItemMatrix]:
    """The matrix of each relation that enters the score: row i says what having item i adds to the others.

    Directed edges count from their source to their destination alone. Relations without any edge are left out.

    Args:
        edges: rows of an edges file.
        items: how many there are.
        relations: as the edges were built with.
    """
    found = {}
    for relation in relations:
        if relation.graph_only:
            continue
        of = edges.filter(pl.col("relation") == relation.name)
        step = of["step"].fill_null(0)
        there = of.select("src", "dst", weight=pl.col("weight") * pl.Series(1 - (1 - BACKWARDS) * (step < 0)))
        back = of.select(src="dst", dst="src", weight=pl.col("weight") * pl.Series(1 - (1 - BACKWARDS) * (step > 0)))
        if of.height:
            found[relation.name] = _matrix(there if relation.directed else pl.concat([there, back]), items)
    return found


def _matrix(entries: pl.DataFrame, items: int) -> ItemMatrix:
    src, dst, weight = (entries[name].to_numpy() for name in ("src", "dst", "weight"))
    rows = csr_array((weight.astype(np.float32), (src, dst)), shape=(items, items))
    rows.sum_duplicates()
    return from_rows(rows)


def relation_scorer(asked: UserHistories, matrix: ItemMatrix, strong: int, candidates: Int64s) -> Scorer:
    """Scores by the sum of the matrix's rows over the items that each of the asked users streamed."""
    return row_scorer(interaction_matrix(asked, len(matrix), strong), matrix, candidates)
