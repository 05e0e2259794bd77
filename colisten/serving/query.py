"""Queries, validated against the known item types, languages, genres and features; a misspelt value is suggested."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from colisten.errors import SettingsError
from colisten.letters import folded
from colisten.serving.index.collection import Conditions
from colisten.serving.profiles import Item, Profiles

_MAX_LISTED = 12


@dataclass(frozen=True)
class Query:
    """How many items to return, and a filter for them."""

    k: int = 10
    item_type: str | None = None
    """None: the default of the request, the target type or all types."""
    languages: tuple[str, ...] = ()
    """Only items in one of these; all if empty."""
    genres: tuple[str, ...] = ()
    """Only items with one of these; all if empty."""
    include_heard: bool = False
    """Recommend also what the user has streamed."""
    exploration: float | None = None
    """Room for new and rare items, 0 … 1; None: `serve.exploration`."""


def conditions_of(query: Query, default_type: str | None, profiles: Profiles) -> Conditions:
    """The query as a filter of the index; `default_type` is for a query without an item type, None for all types.

    Raises:
        SettingsError: a type, language or genre that no item has.
    """
    item_type = query.item_type or default_type
    return Conditions(
        _known("item of the type", "item_type", (item_type,) if item_type else (), profiles),
        _known("item in the language", "language", query.languages, profiles),
        _known("item of the genre", "genres", query.genres, profiles),
    )


def _known(title: str, field: str, values: Sequence[str], profiles: Profiles) -> tuple[str, ...]:
    """The values as the items have them: decomposed letters may be typed composed, and the other way round."""
    known = profiles.vocabulary(field) if values else []
    composed = {normalize("NFC", value): value for value in reversed(known)}
    for value in values:
        if value not in known and normalize("NFC", value) not in composed:
            raise SettingsError(f"There is no {title} {value!r}{_suggestion(value, known)}")
    return tuple(value if value in known else composed[normalize("NFC", value)] for value in values)


def item_named(id_or_title: str, profiles: Profiles) -> Item:
    """The item with this id or title.

    Raises:
        SettingsError: there is none.
    """
    found = profiles.find(id_or_title)
    if found is None:
        suggestion = _suggestion(id_or_title, profiles.titles(), listed=False)
        raise SettingsError(f"There is no item {id_or_title!r}{suggestion}")
    return found


def parsed_features(features: Mapping[str, object], profiles: Profiles) -> dict[str, object]:
    """User features, by columns of the users table, with the values of number columns as floats.

    Raises:
        SettingsError: the users table has no such column, or it holds numbers and the value is none.
    """
    columns = profiles.facts.features
    return {name: _parsed(name, value, columns) for name, value in features.items()}


def _parsed(name: str, value: object, columns: Mapping[str, str]) -> object:
    if name not in columns:
        raise SettingsError(f"Nothing was learned about {name!r}: the users table has{_listed(columns)}.")
    if columns[name] == "text" or value is None:
        return value
    try:
        return float(str(value))
    except ValueError:
        raise SettingsError(f"{name} is a number, not {value!r}.") from None


def _listed(columns: Mapping[str, str]) -> str:
    return " " + ", ".join(columns) if columns else " no such columns"


def _suggestion(word: str, known: Sequence[str], *, listed: bool = True) -> str:
    by_folded = {folded(value): value for value in known}
    near = difflib.get_close_matches(folded(word), list(by_folded), n=3)
    if near:
        return ": did you mean " + " or ".join(repr(by_folded[value]) for value in near) + "?"
    if listed and known:
        return ": there are " + ", ".join(known[:_MAX_LISTED]) + (" and others" if len(known) > _MAX_LISTED else "")
    return ""
