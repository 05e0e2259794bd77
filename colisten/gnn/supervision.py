"""What the loss compares: balanced edges of an epoch, and for each batch its anchors, positives and negatives."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from colisten.arrays import Bools, Codes, Floats, Int64s
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.keys import held_out as is_held_out
from colisten.graph_store.stream.sampler import NeighbourSampler

EdgeType = tuple[int, int]
SupervisionEdges = tuple[Int64s, Int64s]


@dataclass(frozen=True)
class Contrast:
    """Anchors and positives, and the `negatives` that all of them are held against; positives and others are of one type.

    All are items; [r] rows, [c] others.
    """

    anchor: Int64s
    positive: Int64s
    negatives: Int64s
    log_chance: Floats
    """[c] log of the probability that an item comes to be among the others."""


def edges_per_type(adjacency: Adjacency) -> dict[EdgeType, int]:
    """How many edges join each pair of node types, for those that have any."""
    types = range(len(adjacency.node_types))
    ends = np.stack([adjacency.degrees[adjacency.node_type == code].sum(axis=0, dtype=np.int64) for code in types])
    pairs = combinations_with_replacement(types, 2)
    counts = {(a, b): int(ends[a, b]) // (2 if a == b else 1) for a, b in pairs}
    return {pair: count for pair, count in counts.items() if count}


def edges_to_draw(counts: dict[EdgeType, int], total: int, *, balance: bool) -> dict[EdgeType, int]:
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
) -> SupervisionEdges:
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
    whole batch.
    """

    node_type: Codes
    members: tuple[Int64s, ...]
    """Items of each node type."""
    chance: npt.NDArray[np.float64]
    """[items] see `chance_of_positive`."""
    negatives: int
    in_batch: bool

    def draw(self, edges: SupervisionEdges, rng: np.random.Generator) -> list[Contrast]:
        """One contrast per node type of the positives."""
        anchors, positives = np.concatenate(edges), np.concatenate(edges[::-1])
        kind = self.node_type[positives]
        return [self._of_type(code, anchors[kind == code], positives[kind == code], rng) for code in np.unique(kind)]

    def _of_type(self, code: int, anchors: Int64s, positives: Int64s, rng: np.random.Generator) -> Contrast:
        members = self.members[code]
        negatives = rng.choice(members, min(self.negatives, len(members)), replace=False)
        missed = 1 - len(negatives) / len(members)
        if self.in_batch:
            negatives = np.union1d(negatives, positives)
        chance = 1 - missed * (1 - self.chance[negatives] * self.in_batch) ** (len(positives) - 1)
        return Contrast(anchors, positives, negatives, np.log(chance).astype(np.float32))


def false_negatives(adjacency: Adjacency, contrast: Contrast, unknown: HeldOutEdges | None) -> Bools:
    """[r, c] pairs of a contrast that are no negatives: joined in the graph, or one and the same item.

    Edges held out by `unknown` count as not joined, so that training learns nothing of them.
    """
    anchors, row = np.unique(contrast.anchor, return_inverse=True)
    around = adjacency.neighbours(anchors)
    column = np.full(len(adjacency.node_type), -1, np.int32)
    column[contrast.negatives] = np.arange(len(contrast.negatives), dtype=np.int32)
    hit = column[around.items] >= 0
    owner, items = np.repeat(np.arange(len(anchors)), np.diff(around.indptr))[hit], around.items[hit].astype(np.int64)
    if unknown is not None:
        known = ~is_held_out(anchors[owner], items, unknown.share, unknown.seed)
        owner, items = owner[known], items[known]
    out = anchors[:, None] == contrast.negatives
    out[owner, column[items]] = True
    return np.asarray(out[row])
