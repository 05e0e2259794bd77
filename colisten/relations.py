"""Names of relations between items: those that are built in, and the rule that every name keeps."""

from __future__ import annotations

import re
from collections.abc import Sequence

from colisten.errors import SettingsError

CO_LISTENED = "co_listened"
"""The relation of two items with listeners in common: what supervision is drawn from."""
SAME_SERIES, SAME_CREATOR, SIMILAR_TEXT = "same_series", "same_creator", "similar_text"
"""Relations that are told from the catalogue."""
BUILT_IN = (CO_LISTENED, SAME_SERIES, SAME_CREATOR, SIMILAR_TEXT)
"""Relations whose edges are computed: no relation that a platform brings may have such a name."""
TAKEN = ("towers", "linear", "linear_cold", "demand", "relations", "transitions", "weak_signals", "hgnn", "text")
"""Names of other parts of the score, and of other vectors in the index."""
LEAST_COSINE = 0.4
"""Of two texts that count as similar: unrelated ones have .0 to .2."""
NAME = "[a-z][a-z0-9]*(_[a-z0-9]+)*"
"""What a name looks like, as a regular expression of Python and of SQL."""


def check_relations(relations: Sequence[str]) -> None:
    """Relationship types begin with the relation's name, so no name may be the beginning of another.

    Raises:
        SettingsError: a name is no word of small letters, digits and underscores, or cannot be told from another one.
    """
    for name in relations:
        if not re.fullmatch(NAME, name):
            raise SettingsError(f"The relation {name!r} is not written in small letters, digits and underscores.")
        longer = [other for other in relations if other.startswith(f"{name}_")]
        if longer or list(relations).count(name) > 1:
            other = longer[0] if longer else name
            raise SettingsError(f"The relations {name!r} and {other!r} cannot be told apart: rename one of them.")
