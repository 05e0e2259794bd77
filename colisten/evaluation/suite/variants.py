"""The models of the paper's tables: inputs of each variant, and the printed results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FULL = "2T-HGNN"
"""The model that all others are compared with."""


@dataclass(frozen=True)
class GraphVariant:
    """The graph that a graph model learns from."""

    name: str
    target_target: bool = True
    target_other: bool = True
    other_other: bool = True
    """Edges of the co-listening graph that are kept, by whether their ends are of the target type."""
    balance: bool = True
    """Draw equally many supervision edges of each type."""
    typed: bool = True
    """Weights per item type (heterogeneous); else the graph is homogeneous."""
    users: bool = False
    """Users are nodes, with an edge to every item they streamed; there are no edges between items."""


@dataclass(frozen=True)
class Variant:
    """One row of the tables."""

    name: str
    about: str
    model: Literal["popularity", "text", "graph", "towers"]
    """What scores items: recent popularity, mean text vectors, the graph model, or the towers (with it, if `graph`)."""
    warm: float | None
    """HR@10 of warm users in the paper."""
    cold: float | None = None
    """HR@10 of cold users in the paper."""
    graph: GraphVariant | None = None
    weak: bool = True
    """Weak signals are used, in training and in histories."""
    serves_cold: bool = True
    """It can recommend to users without any event of the target type."""

    @property
    def seeded(self) -> bool:
        """Its training is random, so that it is repeated under every seed."""
        return self.model in ("graph", "towers")


_WHOLE = GraphVariant("whole")
VARIANTS = (
    Variant("Popularity", "streams of the last 90 days", "popularity", 0.150, 0.161),
    Variant("LLM-KNN", "mean of text vectors", "text", 0.164, serves_cold=False),
    Variant("HGNN", "mean of graph vectors", "graph", 0.258, graph=_WHOLE, serves_cold=False),
    Variant("HGNN-w-users", "users are nodes", "graph", 0.238, 0.174, graph=GraphVariant("users", users=True)),
    Variant("2T", "towers without the graph", "towers", 0.231, 0.135),
    Variant(FULL, "towers on graph vectors", "towers", 0.353, 0.200, graph=_WHOLE),
    Variant("A", "no balancing of edge types", "towers", 0.332, graph=GraphVariant("unbalanced", balance=False)),
    Variant("B", "no weak signals", "towers", 0.267, graph=_WHOLE, weak=False),
    Variant("C", "no other–other edges", "towers", 0.333, graph=GraphVariant("c", other_other=False)),
    Variant("D", "no target–target edges", "towers", 0.312, graph=GraphVariant("d", target_target=False)),
    Variant(
        "E", "target–target edges only", "towers", 0.329,
        graph=GraphVariant("e", target_other=False, other_other=False, typed=False),
    ),
    Variant(
        "F", "other–other edges only", "towers", 0.294,
        graph=GraphVariant("f", target_target=False, target_other=False, typed=False),
    ),
)  # fmt: skip
"""Tables 1 (A to F), 2 and 3 of the paper. "Other" is every item type but the target: podcasts there."""
