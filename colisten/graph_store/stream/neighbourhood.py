"""The sampled neighbourhood (subgraph with local node numbers), and how it grows hop by hop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Codes, Floats, Int32s, Int64s
from colisten.compiled import compiled
from colisten.graph_store.stream.draw import Drawn


@dataclass(frozen=True)
class Neighbourhood:
    """Some items, what surrounds them hop by hop, and the edges along which messages come in.

    Nodes stand in the order in which they were met (seeds, hop 1, hop 2, …), edges hop by hop: a layer that is needed
    by fewer hops can leave out the tail of both.
    """

    nodes: Int64s
    """[n] items, each once."""
    src: Int64s
    """[e] places in `nodes`; messages flow from `src` to `dst`."""
    dst: Int64s
    weight: Floats
    """[e]"""
    relation: Codes
    """[e] place among the adjacency's relations."""
    nodes_per_hop: tuple[int, ...]
    """How many nodes were met in each hop; the first number counts the seeds."""
    edges_per_hop: tuple[int, ...]


class Growing:
    """A neighbourhood under way: it starts as seeds and grows by one hop at a time."""

    def __init__(self, seeds: Int64s) -> None:
        self.nodes = np.asarray(seeds, np.int64)
        self.nodes_per_hop = [len(self.nodes)]
        self._src: list[Int64s] = []
        self._dst: list[Int64s] = []
        self._weight: list[Floats] = []
        self._relation: list[Codes] = []

    @property
    def frontier(self) -> Int64s:
        """The nodes met in the last hop."""
        return self.nodes[len(self.nodes) - self.nodes_per_hop[-1] :]

    def grow(self, slot: Int64s, count: Int64s, drawn: Drawn, place: Int32s) -> None:
        """Add what was drawn for each node of the frontier; `place` [items] is all -1 and is left so."""
        first = len(self.nodes) - self.nodes_per_hop[-1]
        nodes, src, dst, weight, relation = _attach(self.nodes, first, slot, count, drawn, place)
        self.nodes_per_hop.append(len(nodes) - len(self.nodes))
        self.nodes = nodes
        self._src.append(src)
        self._dst.append(dst)
        self._weight.append(weight)
        self._relation.append(relation)

    def done(self) -> Neighbourhood:
        edges_per_hop = tuple(len(hop) for hop in self._src)
        return Neighbourhood(
            self.nodes, np.concatenate(self._src), np.concatenate(self._dst), np.concatenate(self._weight),
            np.concatenate(self._relation), tuple(self.nodes_per_hop), edges_per_hop,
        )  # fmt: skip


@compiled
def _attach(
    nodes: Int64s, first: int, slot: Int64s, count: Int64s, drawn: Drawn, place: Int32s
) -> tuple[Int64s, Int64s, Int64s, Floats, Codes]:
    edges = count.sum()
    src, dst = np.empty(edges, np.int64), np.empty(edges, np.int64)
    weight, relation = np.empty(edges, np.float32), np.zeros(edges, np.uint8)
    several = len(drawn.relations) > 0
    grown = np.empty(len(nodes) + edges, np.int64)
    grown[: len(nodes)] = nodes
    for i in range(len(nodes)):
        place[nodes[i]] = i
    met, edge = len(nodes), 0
    for i in range(len(slot)):
        for at in range(slot[i], slot[i] + count[i]):
            item = drawn.items[at]
            if place[item] < 0:
                place[item] = met
                grown[met] = item
                met += 1
            src[edge] = place[item]
            dst[edge] = first + i
            weight[edge] = drawn.weights[at]
            if several:
                relation[edge] = drawn.relations[at]
            edge += 1
    for i in range(met):
        place[grown[i]] = -1
    return grown[:met].copy(), src, dst, weight, relation
