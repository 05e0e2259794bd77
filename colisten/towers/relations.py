"""Relations of the graph as parts of the score: an item is found by what it is related to, heard by anybody or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from colisten.arrays import Floats, Int64s
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import latest_pairs
from colisten.settings import RelationSettings
from colisten.towers.item_matrix import ItemMatrix

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
    return ItemMatrix(rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data)


def relation_scores(histories: UserHistories, matrix: ItemMatrix, strong: int, candidates: Int64s) -> Floats:
    """[users, candidates] the sum of the matrix's rows over the items that each user streamed."""
    pairs = latest_pairs(histories, strong)
    streams = csr_array((np.ones(len(pairs), np.float32), (pairs.users, pairs.items)), (len(histories), len(matrix)))
    rows = csr_array((matrix.weights, matrix.items, matrix.indptr), shape=(len(matrix), len(matrix)))
    scores: Floats = (streams @ rows[:, candidates]).toarray()
    return scores
