"""Link supervision: edges of an epoch balanced over edge types; anchors, positives and negatives of each batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from colisten.arrays import Bools, Codes, Floats, Floats64, Int64s
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.graph_store.stream.exclude import HeldOutEdges
from colisten.graph_store.stream.keys import held_out as is_held_out
from colisten.graph_store.stream.sampler import NeighbourSampler

SupervisionEdges = tuple[Int64s, Int64s]
"""(src, dst) of some edges: items."""


@dataclass(frozen=True)
class Contrast:
    """Anchors, their positives, and the negatives that all of them are compared with; the latter two of one node type.

    All are items; [r] rows, [c] negatives.
    """

    anchor: Int64s
    positive: Int64s
    negatives: Int64s
    log_chance: Floats
    """[c] log of the probability that an item is drawn among the negatives."""


def edges_per_type(adjacency: Adjacency, relation: str = CO_LISTENED) -> dict[EdgeType, int]:
    """How many edges of a relation join each pair of node types, for those that have any."""
    names = adjacency.node_types
    groups = [adjacency.group(relation, name) for name in names]
    ends = np.stack([
        adjacency.degrees[adjacency.node_type == code][:, groups].sum(axis=0, dtype=np.int64)
        for code in range(len(names))
    ])  # fmt: skip
    pairs = combinations_with_replacement(range(len(names)), 2)
    counts = {EdgeType(names[a], relation, names[b]): int(ends[a, b]) // (2 if a == b else 1) for a, b in pairs}
    return {edge_type: count for edge_type, count in counts.items() if count}


def edges_to_draw(counts: Mapping[EdgeType, int], total: int, *, balance: bool) -> dict[EdgeType, int]:
    """How many of `total` supervision edges each edge type supplies.

    Balanced: equally many each (paper 4.1.3); a type with fewer supplies what it has, and the others share the rest.
    Otherwise in proportion to their number, at least one each.
    """
    if not balance:
        part = min(1.0, total / max(1, sum(counts.values())))
        return {edge_type: max(1, round(count * part)) for edge_type, count in counts.items()}
    shares: dict[EdgeType, int] = {}
    for done, edge_type in enumerate(sorted(counts, key=lambda edge_type: counts[edge_type])):
        shares[edge_type] = min(counts[edge_type], (total - sum(shares.values())) // (len(counts) - done))
    return shares


def draw_epoch(
    sampler: NeighbourSampler, shares: Mapping[EdgeType, int], rng: np.random.Generator, *, held_out: bool = False
) -> SupervisionEdges:
    """`shares` edges of each type, uniformly and in random order; the held-out ones or the others."""
    drawn = [sampler.draw_edges(edge_type, count, rng, held_out=held_out) for edge_type, count in shares.items()]
    src, dst = (np.concatenate([edges[side] for edges in drawn]).astype(np.int64) for side in (0, 1))
    order = rng.permutation(len(src))
    return src[order], dst[order]


def chance_of_positive(adjacency: Adjacency, shares: Mapping[EdgeType, int]) -> Floats64:
    """[items] probability that a positive of an item's own node type is this item.

    An edge's ends come up in proportion to their degrees, and each edge type in proportion to its share.
    """
    code_of = {name: code for code, name in enumerate(adjacency.node_types)}
    share = np.zeros((len(code_of), adjacency.degrees.shape[1]))
    for edge_type, count in shares.items():
        for src, relation, dst in edge_type.directions:
            share[code_of[src], adjacency.group(relation, dst)] = count * (2 if src == dst else 1)
    out = np.zeros(len(adjacency.node_type))
    for code in range(len(code_of)):
        mine = adjacency.node_type == code
        degrees = adjacency.degrees[mine]
        ends = np.maximum(degrees.sum(axis=0, dtype=np.int64), 1)
        out[mine] = degrees @ (share[code] / ends) / max(share[code].sum(), 1)
    return out


@dataclass(frozen=True)
class Contrasts:
    """Negative sampling for a batch of edges, both directions of each.

    Negatives are `negatives` items drawn at random of the positives' node type, and, if `in_batch`, the positives of
    the whole batch.
    """

    node_type: Codes
    members: tuple[Int64s, ...]
    """Items of each node type."""
    chance: Floats64
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
