"""What the loss compares: balanced edges of an epoch, and for each batch its anchors, positives and negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from colisten.arrays import Bools, Codes, Floats, Int64s
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.exclude import HeldOut
from colisten.graph_store.stream.keys import held_out as is_held_out
from colisten.graph_store.stream.sampler import NeighbourSampler

EdgeType = tuple[int, int]
Edges = tuple[Int64s, Int64s]


@dataclass(frozen=True)
class Contrast:
    """Anchors and positives, and the `others` that all of them are held against; positives and others are of one type.

    All are items; [r] rows, [c] others.
    """

    anchor: Int64s
    positive: Int64s
    others: Int64s
    log_chance: Floats
    """[c] log of the probability that an item comes to be among the others."""
    joined: Bools
    """[r, c] pairs that are no negatives: joined in the graph, or one and the same item."""


def edges_per_type(adjacency: Adjacency) -> dict[EdgeType, int]:
    """How many edges join each pair of node types, for those that have any."""
    types = range(len(adjacency.node_types))
    ends = np.stack([adjacency.degrees[adjacency.node_type == code].sum(axis=0, dtype=np.int64) for code in types])
    pairs = combinations_with_replacement(types, 2)
    counts = {(a, b): int(ends[a, b]) // (2 if a == b else 1) for a, b in pairs}
    return {pair: count for pair, count in counts.items() if count}


def share_out(counts: dict[EdgeType, int], total: int, *, balance: bool) -> dict[EdgeType, int]:
    """How many of `total` edges each type supplies.

    Balanced: equally many each (paper 4.1.3); a type with fewer supplies what it has, and the others share the rest.
    Otherwise in proportion to their number, at least one each.
    """
    if not balance:
        part = min(1.0, total / max(1, sum(counts.values())))
        return {pair: max(1, round(count * part)) for pair, count in counts.items()}
    shares: dict[EdgeType, int] = {}
    for done, pair in enumerate(sorted(counts, key=lambda pair: counts[pair])):
        shares[pair] = min(counts[pair], (total - sum(shares.values())) // (len(counts) - done))
    return shares


def draw_epoch(
    sampler: NeighbourSampler, shares: dict[EdgeType, int], rng: np.random.Generator, *, held_out: bool = False
) -> Edges:
    """`shares` edges of each type, uniformly and in random order; the held-out ones or the others."""
    drawn = [sampler.draw_edges(pair, count, rng, held_out=held_out) for pair, count in shares.items()]
    src, dst = (np.concatenate([edges[side] for edges in drawn]).astype(np.int64) for side in (0, 1))
    order = rng.permutation(len(src))
    return src[order], dst[order]


def chance_of_positive(adjacency: Adjacency, shares: dict[EdgeType, int]) -> npt.NDArray[np.float64]:
    """[items] probability that a positive of an item's own node type is this item.

    An edge's ends come up in proportion to their degrees, and each node type in proportion to its edges' shares.
    """
    types = len(adjacency.node_types)
    share = np.zeros((types, types))
    for (a, b), count in shares.items():
        share[a, b] = share[b, a] = count * (2 if a == b else 1)
    out = np.zeros(len(adjacency.node_type))
    for code in range(types):
        mine = adjacency.node_type == code
        degrees = adjacency.degrees[mine]
        ends = np.maximum(degrees.sum(axis=0, dtype=np.int64), 1)
        out[mine] = degrees @ (share[code] / ends) / max(share[code].sum(), 1)
    return out


@dataclass(frozen=True)
class Contrasts:
    """Makes the contrasts of a batch of edges, both directions of each.

    Others are `negatives` items drawn at random of the positives' node type, and, if `in_batch`, the positives of the
    whole batch. `held_out` edges count as not joined, so that training learns nothing of them.
    """

    adjacency: Adjacency
    members: tuple[Int64s, ...]
    """Items of each node type."""
    chance: npt.NDArray[np.float64]
    """[items] see `chance_of_positive`."""
    negatives: int
    in_batch: bool
    held_out: HeldOut | None

    def of(self, edges: Edges, rng: np.random.Generator) -> list[Contrast]:
        """One contrast per node type of the positives."""
        anchors, positives = np.concatenate(edges), np.concatenate(edges[::-1])
        kind = self.adjacency.node_type[positives]
        return list(self._by_type(anchors, positives, kind, rng))

    def _by_type(self, anchors: Int64s, positives: Int64s, kind: Codes, rng: np.random.Generator) -> Iterator[Contrast]:
        joined = _Joined(self.adjacency, anchors, self.held_out)
        for code in np.unique(kind):
            rows = np.flatnonzero(kind == code)
            members = self.members[code]
            others = np.sort(rng.choice(members, min(self.negatives, len(members)), replace=False))
            missed = 1 - len(others) / len(members)
            if self.in_batch:
                others = np.union1d(others, positives[rows])
            chance = 1 - missed * (1 - self.chance[others] * self.in_batch) ** (len(rows) - 1)
            yield Contrast(
                anchors[rows], positives[rows], others, np.log(chance).astype(np.float32), joined.mask(rows, others)
            )


class _Joined:
    """Which pairs of anchors and other items are joined."""

    def __init__(self, adjacency: Adjacency, anchors: Int64s, held_out: HeldOut | None) -> None:
        self._distinct, self._place = np.unique(anchors, return_inverse=True)
        rows = adjacency.neighbours(self._distinct)
        owner, items = np.repeat(np.arange(len(self._distinct)), np.diff(rows.indptr)), rows.items.astype(np.int64)
        if held_out is not None:
            known = ~is_held_out(self._distinct[owner], items, held_out.share, held_out.seed)
            owner, items = owner[known], items[known]
        self._owner, self._items = owner, items

    def mask(self, rows: Int64s, others: Int64s) -> Bools:
        """[rows, others] for some of the anchors, and sorted `others`."""
        out: Bools = self._distinct[:, None] == others
        at = np.minimum(np.searchsorted(others, self._items), len(others) - 1)
        hit = others[at] == self._items
        out[self._owner[hit], at[hit]] = True
        mask: Bools = out[self._place[rows]]
        return mask
