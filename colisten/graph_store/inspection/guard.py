"""What a query may not do although a read transaction would let it: read files and addresses, call what is not known.

A transaction that cannot write still reads any file that the server may read, any address that it can reach, and runs
procedures of plugins. Queries are looked at as the server reads them: without comments and the contents of literals,
with names in backticks as names.
"""

from __future__ import annotations

import re

from colisten.errors import GraphError

PROCEDURES = frozenset({
    "db.index.fulltext.listAvailableAnalyzers", "db.index.fulltext.queryNodes", "db.index.fulltext.queryRelationships",
    "db.index.vector.queryNodes", "db.index.vector.queryRelationships", "db.info", "db.labels", "db.ping",
    "db.propertyKeys", "db.relationshipTypes", "db.schema.nodeTypeProperties", "db.schema.relTypeProperties",
    "db.schema.visualization", "dbms.components",
})  # fmt: skip
"""Procedures of Neo4j itself that read the graph."""
_NAMESPACES = ("date.", "datetime.", "duration.", "localdatetime.", "localtime.", "point.", "time.", "vector.")
"""Namespaces of the functions of Cypher itself; other names with a dot are those of plugins."""

_LITERAL = re.compile(
    r"""/\*.*?(?:\*/|\Z) | //[^\r\n]* | '(?:\\.|[^'\\])*(?:'|\Z) | "(?:\\.|[^"\\])*(?:"|\Z) | `((?:``|[^`])*)`""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\u+([0-9a-fA-F]{4})")
_LOAD = re.compile(r"\bload\W+csv\W+(?:with\W+headers|from)\b", re.IGNORECASE)
_DOTTED = r"(\w+(?:\s*\.\s*\w+)+)"  # others can only be Cypher's own
_PROCEDURE = re.compile(rf"\bcall\s+{_DOTTED}", re.IGNORECASE)
_FUNCTION = re.compile(rf"(?<![\w.$]){_DOTTED}\s*\(")
_TERMINATE = re.compile(r"\bterminate\s+transactions?\b", re.IGNORECASE)


def check_reads_the_graph_only(query: str) -> None:
    """Refuse what would read beyond the graph.

    Raises:
        GraphError: `LOAD CSV`, an end put to others' transactions, or a procedure or function that is not Neo4j's own
            or does more than read the graph.
    """
    for text in {_bare(query), _bare(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), query))}:
        if _LOAD.search(text):
            raise GraphError(
                "LOAD CSV reads files and addresses that the server can reach, and queries here read the graph only: "
                "use cypher-shell to load data by hand."
            )
        if _TERMINATE.search(text):
            raise GraphError("This query would end what others run, and queries here only read: use cypher-shell.")
        called = {_plain(found[1]) for found in _PROCEDURE.finditer(text)}
        called |= {name for found in _FUNCTION.finditer(text) if not _is_own(name := _plain(found[1]))}
        if refused := sorted(called - PROCEDURES):
            raise GraphError(
                f"Queries here call what reads the graph only, and {refused[0]!r} may do more: use cypher-shell for it."
            )


def _bare(query: str) -> str:
    """Without comments and literals; names in backticks are left as names, whatever may be a blank is one."""
    return re.sub(r"[^\w\x21-\x7e]", " ", _LITERAL.sub(_left, query))


def _left(found: re.Match[str]) -> str:
    if found[0].startswith("`"):
        return re.sub(r"\W", "_", found[1])
    return " " if found[0].startswith("/") else " 0 "


def _plain(name: str) -> str:
    return re.sub(r"\s", "", name)


def _is_own(function: str) -> bool:
    return function.lower().startswith(_NAMESPACES)
