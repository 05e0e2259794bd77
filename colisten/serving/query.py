"""What an answer should be like, checked against what is there: a wrong word is an error with the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colisten.errors import SettingsError
from colisten.serving.index.collection import Conditions
from colisten.serving.profiles import Item, Profiles

_LISTED = 12


@dataclass(frozen=True)
class Query:
    """How many items of what kind."""

    k: int = 10
    item_type: str | None = None
    """None: what is usual for the question, the target type or all types."""
    languages: tuple[str, ...] = ()
    """Only items in one of these; all if empty."""
    genres: tuple[str, ...] = ()
    """Only items with one of these; all if empty."""
    include_heard: bool = False


def conditions_of(query: Query, usual: str | None, profiles: Profiles) -> Conditions:
    """The wish as the index understands it; `usual` is the item type where it names none, None for all types.

    Raises:
        SettingsError: a type, language or genre that no item has.
    """
    kind = query.item_type or usual
    kinds = (kind,) if kind else ()
    for title, field, values in (
        ("item of the type", "item_type", kinds),
        ("item in the language", "language", query.languages),
        ("item of the genre", "genres", query.genres),
    ):
        known = profiles.vocabulary(field) if values else []
        for value in values:
            if value not in known:
                raise SettingsError(f"There is no {title} {value!r}{_suggestion(value, known)}")
    return Conditions(kinds, tuple(query.languages), tuple(query.genres))


def item_named(word: str, profiles: Profiles) -> Item:
    """The item with this id or title.

    Raises:
        SettingsError: there is none.
    """
    found = profiles.find(word)
    if found is None:
        raise SettingsError(f"There is no item {word!r}{_suggestion(word, profiles.titles(), listed=False)}")
    return found


def described(features: Mapping[str, object], profiles: Profiles) -> dict[str, object]:
    """Somebody's features by the columns of the users table; a number may come as a word.

    Raises:
        SettingsError: the data knows no such column, or it is a number and the value is none.
    """
    kinds = profiles.facts.features
    return {name: _value(name, value, kinds) for name, value in features.items()}


def _value(name: str, value: object, kinds: Mapping[str, str]) -> object:
    if name not in kinds:
        raise SettingsError(f"Nothing was learned about {name!r}: the users table has{_columns(kinds)}.")
    if kinds[name] == "text" or value is None:
        return value
    try:
        return float(str(value))
    except ValueError:
        raise SettingsError(f"{name} is a number, not {value!r}.") from None


def _columns(kinds: Mapping[str, str]) -> str:
    return " " + ", ".join(kinds) if kinds else " no such columns"


def _suggestion(word: str, known: Sequence[str], *, listed: bool = True) -> str:
    folded = {value.casefold(): value for value in known}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=3)
    if near:
        return ": did you mean " + " or ".join(repr(folded[value]) for value in near) + "?"
    if listed and known:
        return ": there are " + ", ".join(known[:_LISTED]) + (" and others" if len(known) > _LISTED else "")
    return ""
