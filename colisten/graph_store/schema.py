"""The schema in Neo4j: labels of item types, relationship types of edge types, constraints and indexes.

Item types come from data and may be any text. A *plain* one (`audiobook`, `drug_gm`) becomes `:Audiobook`, `:DrugGm`;
any other (`Frozen "Grocery"`) keeps its letters and gets a checksum, so that two types never share a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Self

from neo4j import Driver

from colisten.graph_store.edge_type import EdgeType

ITEM = "Item"
"""Label of every item, beside that of its type."""
GRAPH = "CoListeningGraph"
"""Label of the marker node."""
TITLES = "colisten_titles"
"""The full-text index over titles."""
PREDICTS = "PREDICTS"
"""The relationship type of item–item weights: having streamed the one raises the score of the other."""
STANDS = "{}.weight IS NOT NULL"
"""Whether an edge is still there: one that a load deletes while a query reads it has no properties any more."""
INDEXES = {
    "colisten_graph": f"CREATE CONSTRAINT {{name}} FOR (n:{GRAPH}) REQUIRE n.name IS UNIQUE",
    "colisten_item": f"CREATE CONSTRAINT {{name}} FOR (n:{ITEM}) REQUIRE n.item IS UNIQUE",
    "colisten_id": f"CREATE CONSTRAINT {{name}} FOR (n:{ITEM}) REQUIRE n.id IS UNIQUE",
    TITLES: f"CREATE FULLTEXT INDEX {{name}} FOR (n:{ITEM}) ON EACH [n.title]",
}
"""Name of each index that the graph stands on → the statement that makes it, with `{name}` in it.

None for each item type: they took most of the time of a first load of many types.
"""
TYPES_OF_PREFIXES = """
    CALL db.relationshipTypes() YIELD relationshipType AS kind
    WHERE any(prefix IN $prefixes WHERE kind STARTS WITH prefix) RETURN collect(kind) AS kinds
"""
"""The relationship types that have an edge and begin with one of `$prefixes`: one row, since thousands would take the
driver a second."""
FORMER_TYPES = ("SPEAKS_FOR",)
"""Relationship types that earlier versions wrote: removed from a graph that one of them made."""

_MOST_ALTERNATIVES = 100
_PLAIN = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
_TAKEN = {"item", "co_listening_graph"}


def label_of(item_type: str) -> str:
    """The label of an item type: `audiobook` → `Audiobook`. Different types have different labels."""
    words = _words(item_type)
    label = "".join(word.capitalize() for word in words)
    return label if _is_plain(item_type) else f"{label}_{_checksum(item_type)}"


def relationship_of(edge_type: EdgeType) -> str:
    """The relationship type of an edge type, the same for both directions: `CO_LISTENED_AUDIOBOOK_PODCAST`.

    Different pairs of item types have different names: names of several words are held apart by two underscores, as in
    `CO_LISTENED_DRUG_GM__GROCERY`.
    """
    names = [_upper(item_type) for item_type in sorted((edge_type.src, edge_type.dst))]
    return prefix_of(edge_type.relation) + ("__" if any("_" in name for name in names) else "_").join(names)


def prefix_of(relation: str) -> str:
    """What the relationship types of a relation begin with, and no others."""
    return f"{relation.upper()}_"


@dataclass(frozen=True)
class TypeFilter:
    """Relationship types in a Cypher query: as alternatives in its pattern where they are few, as a condition where
    they are many.

    Alternatives let the server find a type without a walk over the others; thousands of them overflow the stack of its
    planner, after which it never answers.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, edge_types: Iterable[EdgeType]) -> Self:
        """The relationship types of some edge types."""
        return cls(tuple(dict.fromkeys(map(relationship_of, edge_types))))

    @property
    def many(self) -> bool:
        """Whether they are too many for a pattern."""
        return len(self.names) > _MOST_ALTERNATIVES

    @property
    def pattern(self) -> str:
        """Behind the variable of a relationship: `:A|B`; a type that no graph has if there are none."""
        return "" if self.many else ":" + ("|".join(map(quoted, self.names)) or quoted("-"))

    def where(self, edge: str, *others: str) -> str:
        """The WHERE behind a pattern of the relationship `edge`, in a query with `parameters`; empty without any.

        Not even `true` stands there then: the server looks up what it has counted for a bare pattern only.
        """
        conditions = [*others, f"type({edge}) IN $kinds"] if self.many else others
        return f"WHERE {' AND '.join(conditions)}" if conditions else ""

    @property
    def parameters(self) -> dict[str, list[str]]:
        return {"kinds": list(self.names)} if self.many else {}


def stored_relationships(driver: Driver, database: str, relations: Iterable[str]) -> list[str]:
    """The relationship types that the database holds of these relations."""
    given = {"prefixes": list(map(prefix_of, relations))}
    kinds: list[str] = driver.execute_query(TYPES_OF_PREFIXES, given, database_=database).records[0]["kinds"]
    return kinds


def quoted(name: str) -> str:
    """A label or relationship type, fit to stand in Cypher whatever it holds."""
    return "`" + name.replace("`", "``") + "`"


def ensure_schema(driver: Driver, database: str) -> None:
    """Create what is missing of the constraints and indexes, and wait until they serve."""
    with driver.session(database=database) as session:
        there = {name for (name,) in session.run("SHOW INDEXES YIELD name")}
        for name, statement in INDEXES.items():
            if name not in there:
                session.run(statement.format(name=f"{quoted(name)} IF NOT EXISTS")).consume()
        session.run("CALL db.awaitIndexes(600)").consume()


def _is_plain(item_type: str) -> bool:
    return bool(_PLAIN.fullmatch(item_type)) and item_type not in _TAKEN


def _words(item_type: str) -> list[str]:
    return re.findall(r"[^\W_]+", item_type)[:8] or ["type"]


@lru_cache(4096)  # edge types are many more than item types
def _upper(item_type: str) -> str:
    name = "_".join(_words(item_type)).upper()
    return name if _is_plain(item_type) else f"{name}_{_checksum(item_type)}"


def _checksum(item_type: str) -> str:
    """Digits, which no word of a plain type begins with."""
    return f"{int.from_bytes(blake2b(item_type.encode(), digest_size=8).digest()) % 10**10:010}"
