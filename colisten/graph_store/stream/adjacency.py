"""Adjacency by row, what both back ends offer and all that the sampler needs: the neighbours of every item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Self

import numpy as np

from colisten.arrays import Codes, Floats, Int32s, Int64s
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType, directed_edge_types
from colisten.ragged import offsets, spans


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths: row `i` is `items[indptr[i]:indptr[i + 1]]`."""

    indptr: Int64s
    items: Int32s
    weights: Floats


@dataclass(frozen=True)
class Rows:
    """Some of the rows that were asked for, where they lie: nothing is copied."""

    asked: Int64s
    """[r] places in the request."""
    start: Int64s
    """[r] where each row begins in the pools below; its length is the sum of the item's degrees."""
    items: Int32s
    weights: Floats


RowPieces = Generator[Rows, None, None]


class Adjacency(ABC):
    """The neighbours of every item, each row ordered by relation, then node type, then item.

    A row is cut into *groups*: one per relation and node type of the neighbour, relation by relation. So two relations
    between one pair of node types are distinguished by the degrees alone.
    """

    version: str
    """Changes when the graph changes."""
    node_types: tuple[str, ...]
    node_type: Codes
    """[items] place in `node_types`: the model's node types (item types, rare ones grouped)."""
    relations: tuple[str, ...] = (CO_LISTENED,)
    degrees: Int32s
    """[items, relations × node types] how many neighbours in each group."""
    work_bytes: int = 1 << 62
    """What batches under way may take, beside what is kept."""

    @property
    def edge_types(self) -> tuple[EdgeType, ...]:
        """All directed edge types, as messages pass."""
        return directed_edge_types(self.node_types, self.relations)

    def group(self, relation: str, node_type: str) -> int:
        """The column of `degrees` that counts neighbours of this relation and node type.

        Raises:
            KeyError: the adjacency has no such relation or node type.
        """
        try:
            return self.relations.index(relation) * len(self.node_types) + self.node_types.index(node_type)
        except ValueError:
            raise KeyError(
                f"no neighbours {relation!r} of type {node_type!r}: there are {', '.join(self.relations)} between "
                f"{', '.join(self.node_types)}"
            ) from None

    @abstractmethod
    def rows(self, items: Int64s) -> RowPieces:
        """The rows of distinct `items`, in pieces, in any order; a piece is valid until the next one is asked for.

        Close it when done (`contextlib.closing`): a back end may hold others back meanwhile.
        """

    @abstractmethod
    def close(self) -> None:
        """Release files, connections and threads; harmless when repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def neighbours(self, items: Int64s) -> Ragged:
        """The whole rows of distinct `items`, copied together."""
        length = self.degrees[items].sum(axis=1, dtype=np.int64)
        indptr = offsets(length)
        out = Ragged(indptr, np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32))
        with closing(self.rows(items)) as pieces:
            for rows in pieces:
                taken = spans(rows.start, length[rows.asked])
                put = spans(indptr[rows.asked], length[rows.asked])
                out.items[put] = rows.items[taken]
                out.weights[put] = rows.weights[taken]
        return out
