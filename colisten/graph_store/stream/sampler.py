"""Neighbour sampling balanced over edge types: seeds in, neighbourhoods out, the same from every back end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s
from colisten.compiled import compiled
from colisten.errors import SettingsError
from colisten.graph_store.edge_type import EdgeType
from colisten.graph_store.stream.adjacency import Adjacency, Rows
from colisten.graph_store.stream.draw import TOP, UNIFORM, WEIGHTED, Drawn, Pool, Requests, draw
from colisten.graph_store.stream.exclude import Excluded, HeldOutEdges, ItemPairs, exclude
from colisten.graph_store.stream.keys import Keys, key_of, mix
from colisten.graph_store.stream.neighbourhood import Growing, Neighbourhood
from colisten.graph_store.stream.supervision import edges_of_type
from colisten.ragged import offsets, spans

Draw = Literal["uniform", "weighted", "top"]
_HOW = {"uniform": UNIFORM, "weighted": WEIGHTED, "top": TOP}
_ALL = 1 << 30


@dataclass(frozen=True)
class Batch:
    """What one neighbourhood is to be drawn for."""

    seeds: Int64s
    """Distinct items."""
    key: np.uint64
    """All chance in the draw comes from it (`keys.key_of(rng)`)."""
    without: ItemPairs | None = None
    """Pairs of items that pass no message in this batch, in neither direction, at no hop."""


@dataclass
class NeighbourSampler:
    """Neighbour sampler with a quota per edge type.

    Each node takes up to `fan_out[hop]` neighbours along every edge type that leads to it; with `refill`, slots that an
    edge type cannot fill go to the others in equal parts. Without replacement: `uniform`, `weighted` (in proportion to
    the edge's weight among those left) or `top` (the heaviest). A fan-out of -1 takes all.
    """

    adjacency: Adjacency
    fan_out: Sequence[int]
    draw: Draw = "uniform"
    refill: bool = True
    held_out: HeldOutEdges | None = None
    """Edges that never carry a message, for validation."""

    def __post_init__(self) -> None:
        if any(count < -1 or count == 0 for count in self.fan_out):
            raise SettingsError(f"A fan-out is a positive number or -1 (all), not {list(self.fan_out)}.")
        self._tables: list[Int32s] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": []}

    def sample(self, seeds: Int64s, rng: np.random.Generator, *, without: ItemPairs | None = None) -> Neighbourhood:
        """The neighbourhood of distinct `seeds`; takes one number from `rng`."""
        return self.sample_together([Batch(seeds, key_of(rng), without)])[0]

    def sample_together(self, batches: Sequence[Batch]) -> list[Neighbourhood]:
        """The same neighbourhoods as one by one, but a row that several batches need is read once.

        Raises:
            ValueError: the seeds of a batch are not distinct.
        """
        for batch in batches:
            seeds = np.unique(batch.seeds)
            if len(seeds) < len(batch.seeds) or seeds.min(initial=0) < 0:
                raise ValueError("the seeds of a batch are distinct items: use numpy.unique")
        growing = [Growing(batch.seeds) for batch in batches]
        excluded = exclude([batch.without for batch in batches], self.held_out, len(self.adjacency.node_type))
        place = self._tables.pop() if self._tables else np.full(len(self.adjacency.node_type), -1, np.int32)
        for hop, fan_out in enumerate(self.fan_out):
            keys = np.array([batch.key for batch in batches], np.uint64) + np.uint64(hop)
            self._hop(growing, keys, fan_out if fan_out > 0 else _ALL, excluded, place)
        self._tables.append(place)
        return [found.done() for found in growing]

    def _hop(self, growing: list[Growing], keys: Keys, fan_out: int, excluded: Excluded, place: Int32s) -> None:
        frontiers = [batch.frontier for batch in growing]
        items = np.concatenate(frontiers)
        batch = np.repeat(np.arange(len(frontiers)), [len(frontier) for frontier in frontiers])
        slot = offsets(self._room(items, fan_out))
        asking = Requests(np.arange(len(items)), batch, _node_keys(keys, batch, items), slot)
        relations = np.empty(slot[-1] if len(self.adjacency.relations) > 1 else 0, np.uint8)
        drawn = Drawn(np.empty(slot[-1], np.int32), np.empty(slot[-1], np.float32), relations)
        count = self._draw(items, asking, fan_out, excluded, drawn)
        bounds = offsets(np.bincount(batch, minlength=len(growing)))
        for i, part in enumerate(growing):
            mine = slice(bounds[i], bounds[i + 1])
            part.grow(slot[:-1][mine], count[mine], drawn, place)

    def _room(self, items: Int64s, fan_out: int) -> Int64s:
        degrees = self.adjacency.degrees[items]
        if self.refill:
            length: Int64s = degrees.sum(axis=1, dtype=np.int64)
            return np.minimum(length, np.int64(fan_out * degrees.shape[1]))
        room: Int64s = np.minimum(degrees, fan_out).sum(axis=1, dtype=np.int64)
        return room

    def _draw(self, items: Int64s, asking: Requests, fan_out: int, excluded: Excluded, drawn: Drawn) -> Int64s:
        asked, inverse = np.unique(items, return_inverse=True)
        by_row = np.argsort(inverse, kind="stable")
        bounds = offsets(np.bincount(inverse, minlength=len(asked)))
        count = np.zeros(len(items), np.int64)
        with closing(self.adjacency.rows(asked)) as pieces:
            for rows in pieces:
                length = np.diff(bounds)[rows.asked]
                which = by_row[spans(bounds[rows.asked], length)]
                row = np.repeat(np.arange(len(rows.asked)), length)
                requests = Requests(row, asking.batch[which], asking.key[which], asking.slot[which])
                pool = self._pool(asked[rows.asked], rows)
                count[which] = draw(_HOW[self.draw], fan_out, self.refill, requests, pool, excluded, drawn)
        return count

    def _pool(self, items: Int64s, rows: Rows) -> Pool:
        types = len(self.adjacency.node_types)
        return Pool(items, rows.start, self.adjacency.degrees[items], rows.items, rows.weights, types)

    def draw_edges(
        self, edge_type: tuple[str, str, str], count: int, rng: np.random.Generator, *, held_out: bool = False
    ) -> tuple[Int64s, Int64s, Floats]:
        """Up to `count` distinct edges of a type, uniformly (see `supervision.edges_of_type`)."""
        return edges_of_type(self.adjacency, EdgeType(*edge_type), count, key_of(rng), self.held_out, held_out)


@compiled
def _node_keys(keys: Keys, batch: Int64s, items: Int64s) -> Keys:
    out = np.empty(len(items), np.uint64)
    for i in range(len(items)):
        out[i] = mix(mix(keys[batch[i]]) ^ np.uint64(items[i]))
    return out
