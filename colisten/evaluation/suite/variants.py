"""The models of the paper's tables: what each of them sees, and what was printed of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FULL = "2T-HGNN"
"""The model that all others are compared with."""


@dataclass(frozen=True)
class GraphVariant:
    """What the graph model learns from."""

    name: str
    target_target: bool = True
    target_other: bool = True
    other_other: bool = True
    """Which edges of the co-listening graph there are, told by whether their ends are of the target type."""
    balance: bool = True
    """Draw equally many supervision edges of each type."""
    typed: bool = True
    """Weights of their own for each item type; else the graph is homogeneous."""
    users: bool = False
    """Users are nodes, joined to what they streamed, and items are joined through them alone."""


@dataclass(frozen=True)
class Variant:
    """One row of the tables."""

    name: str
    about: str
    model: Literal["popularity", "text", "graph", "towers"]
    """What answers: listeners of late, a mean of text vectors, the graph model, the towers (on its vectors, if any)."""
    warm: float | None
    """HR@10 of warm users in the paper."""
    cold: float | None = None
    """HR@10 of cold users in the paper."""
    graph: GraphVariant | None = None
    weak: bool = True
    """Are weak signals seen, in training and when asked?"""
    serves_cold: bool = True
    """Has it an answer for users who never touched the target type?"""

    @property
    def seeded(self) -> bool:
        """Is there chance in its training?"""
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
