"""Edge types: the field's triple (source type, relation, destination type), one definition for every room."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from colisten.relations import CO_LISTENED as CO_LISTENED  # edge types are imported with it


class EdgeType(NamedTuple):
    """(source type, relation, destination type): equal to the plain tuple that PyG uses as a key.

    >>> EdgeType("podcast", CO_LISTENED, "audiobook") == ("podcast", "co_listened", "audiobook")
    True
    """

    src: str
    relation: str
    dst: str

    @property
    def reverse(self) -> EdgeType:
        """The other direction."""
        return EdgeType(self.dst, self.relation, self.src)

    @property
    def stored(self) -> EdgeType:
        """The direction that an undirected edge is stored in: types in alphabetical order; messages pass both ways.

        Edges of a directed relation may be stored in either direction.
        """
        return min(self, self.reverse)

    @property
    def directions(self) -> tuple[EdgeType, ...]:
        """Both directions, one where they are the same."""
        return (self,) if self.src == self.dst else (self, self.reverse)


def directed_edge_types(node_types: Iterable[str], relations: Iterable[str]) -> tuple[EdgeType, ...]:
    """Every edge type that messages may pass along, by source type, then relation, then destination type."""
    types = tuple(node_types)
    return tuple(EdgeType(src, relation, dst) for src, relation, dst in product(types, tuple(relations), types))
