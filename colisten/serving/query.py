"""Queries, validated against the known item types, languages, genres and features; a misspelt value is suggested."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isfinite
from unicodedata import normalize

from colisten.errors import SettingsError
from colisten.letters import folded
from colisten.serving.index.collection import Conditions
from colisten.serving.profiles import Item, Profiles

_MAX_LISTED = 12


ALL_TYPES = "*"


@dataclass(frozen=True)
class TypeQuota:
    """An item type in a mixed answer, and how many items at least are of it, as far as there are."""

    item_type: str
    least: int = 0

    @classmethod
    def parse(cls, words: str) -> tuple[TypeQuota, ...]:
        """Read item types as they are written: `audiobook:6,podcast:4`, `audiobook,podcast` or `*`.

        Raises:
            SettingsError: there is none, one stands there twice, or `*` is not alone.
        """
        found = []
        for word in filter(None, (part.strip() for part in words.split(","))):
            name, colon, least = word.rpartition(":")
            found.append(cls(name.strip(), int(least)) if colon and least.isdecimal() else cls(word))
        names = [quota.item_type for quota in found]
        if not names or len(set(names)) < len(names) or (ALL_TYPES in names and found != [cls(ALL_TYPES)]):
            raise SettingsError(
                f"{words!r} are no item types with their quotas: audiobook:6,podcast:4 are, and * is all."
            )
        return tuple(found)


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
    diversity: float | None = None
    """How much the items of an answer differ from each other, 0 … 1; None: `serve.diversity`."""
    types: tuple[TypeQuota, ...] = ()
    """Several item types in one answer, in place of `item_type`; one of the name `*` stands for all."""
    market: str | None = None
    """The country whose availability holds; None: the user's own, by the feature `country`."""
    at: int | None = None
    """The second (UTC) at which items must be available; None: now."""

    def __post_init__(self) -> None:
        if self.types and self.item_type is not None:
            raise SettingsError("Name one item type, or several with their quotas: not both.")
        if sum(quota.least for quota in self.types) > self.k:
            raise SettingsError(f"The quotas of the item types add up to more than the {self.k} items asked for.")


def conditions_of(query: Query, default_type: str | None, profiles: Profiles) -> Conditions:
    """The query as a filter of the index; `default_type` is for a query without an item type, None for all types.

    Raises:
        SettingsError: a type, language or genre that no item has.
    """
    item_type = query.item_type or default_type
    item_types = [quota.item_type for quota in query.types] or ([item_type] if item_type else [])
    return Conditions(
        _known("item of the type", "item_type", () if item_types == [ALL_TYPES] else item_types, profiles),
        _known("item in the language", "language", query.languages, profiles),
        _known("item of the genre", "genres", query.genres, profiles),
    )


def conditions_by_quota(query: Query, default_type: str, profiles: Profiles) -> list[Conditions]:
    """The query as filters of the index: one for each item type where they have quotas, else one for all.

    Raises:
        SettingsError: a type, language or genre that no item has.
    """
    if not any(quota.least for quota in query.types):
        return [conditions_of(query, default_type, profiles)]
    return [conditions_of(replace(query, types=(quota,)), None, profiles) for quota in query.types]


def _known(title: str, field: str, values: Sequence[str], profiles: Profiles) -> tuple[str, ...]:
    """The values as the items have them: decomposed letters may be typed composed, and the other way round."""
    known = profiles.vocabulary(field) if values else []
    composed = {normalize("NFC", value): value for value in reversed(known)}
    for value in values:
        if value not in known and normalize("NFC", value) not in composed:
            raise SettingsError(f"There is no {title} {value!r}{suggestion(value, known)}")
    return tuple(value if value in known else composed[normalize("NFC", value)] for value in values)


def item_named(id_or_title: str, profiles: Profiles) -> Item:
    """The item with this id or title.

    Raises:
        SettingsError: there is none.
    """
    found = profiles.find(id_or_title)
    if found is None:
        near = suggestion(id_or_title, profiles.titles(), listed=False)
        raise SettingsError(f"There is no item {id_or_title!r}{near}")
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
    with suppress(ValueError):
        if isfinite(number := float(str(value))):
            return number
    raise SettingsError(f"{name} is a number, not {value!r}.")


def _listed(columns: Mapping[str, str]) -> str:
    return " " + ", ".join(columns) if columns else " no such columns"


def suggestion(word: str, known: Sequence[str], *, listed: bool = True) -> str:
    """How a sentence ends that says there is no such word: with the nearest known ones, or with some (if `listed`)."""
    by_folded = {folded(value): value for value in known}
    near = difflib.get_close_matches(folded(word), list(by_folded), n=3)
    if near:
        return ": did you mean " + " or ".join(repr(by_folded[value]) for value in near) + "?"
    if listed and known:
        return ": there are " + ", ".join(known[:_MAX_LISTED]) + (" and others" if len(known) > _MAX_LISTED else "")
    return ""
