"""Edge types: the field's triple (source type, relation, destination type), one definition for every room."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from colisten.errors import SettingsError

CO_LISTENED = "co_listened"
"""The relation of two items with listeners in common: what supervision is drawn from."""
RELATIONS = (CO_LISTENED,)
"""Every relation that the graph may hold."""


def check_relations(relations: Sequence[str]) -> None:
    """Relationship types begin with the relation's name, so no name may be the beginning of another.

    Raises:
        SettingsError: a name is no word of small letters, digits and underscores, or cannot be told from another one.
    """
    for name in relations:
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
            raise SettingsError(f"The relation {name!r} is not written in small letters, digits and underscores.")
        longer = [other for other in relations if other.startswith(f"{name}_")]
        if longer or list(relations).count(name) > 1:
            other = longer[0] if longer else name
            raise SettingsError(f"The relations {name!r} and {other!r} cannot be told apart: rename one of them.")


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
        """The direction that an undirected edge is stored in: types in alphabetical order; messages pass both ways."""
        return min(self, self.reverse)

    @property
    def directions(self) -> tuple[EdgeType, ...]:
        """Both directions, one where they are the same."""
        return (self,) if self.src == self.dst else (self, self.reverse)


def directed_edge_types(node_types: Iterable[str], relations: Iterable[str]) -> tuple[EdgeType, ...]:
    """Every edge type that messages may pass along, by source type, then relation, then destination type."""
    types = tuple(node_types)
    return tuple(EdgeType(src, relation, dst) for src, relation, dst in product(types, tuple(relations), types))
