"""New items that were told while answers are given, with the place of their texts: answered until a run knows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from colisten.arrays import Codes, Floats
from colisten.letters import folded
from colisten.listening.events.item_words import ItemWords
from colisten.listening.events.store import TextPlace
from colisten.serving.events.attached_log import AttachedLog

_LAST = "SELECT seq FROM recent.sqlite_sequence WHERE name = 'item_words'"
_HAS_PLACES = "SELECT 1 FROM recent.sqlite_master WHERE name = 'item_places'"
_TOLD = """
SELECT told.seq, told.item_id, told.words, places.text, places.neighbours, items.item
FROM recent.item_words AS told LEFT JOIN recent.item_places AS places ON places.item_id = told.item_id
LEFT JOIN items ON items.item_id = told.item_id
WHERE told.seq > :seen AND (items.item IS NULL OR items.retired OR items.item > :published)
ORDER BY told.seq
"""
WHOLE_CATALOGUE = (1 << 31) - 1
"""In place of the number of the last published item, where all of the catalogue counts as published."""


@dataclass(frozen=True)
class NewItem:
    """An item that no published index holds, as it was told."""

    number: int
    """Its own, or one behind those of all items until a run gives it one."""
    item_id: str
    seq: int
    """Of what was told: another one whenever that changes."""
    words: ItemWords
    """With an item type."""
    place: TextPlace

    @property
    def text(self) -> Floats:
        """[width] the vector of its text, of length 1."""
        return np.frombuffer(self.place.text, np.float32)

    def named(self, field: str, values: set[str]) -> bool:
        """Is it one of these items, or of one of these creators or genres? The names are folded, ids are not."""
        return self.item_id in values if field == "item" else any(folded(n) in values for n in self.names_of(field))

    def names_of(self, field: str) -> Sequence[str]:
        """Its names of a `creator` or `genre`."""
        return (self.words.creators if field == "creator" else self.words.genres) or ()

    def values_of(self, field: str) -> Sequence[str]:
        """Its values of a field that searches filter by."""
        if field == "genres":
            return self.names_of("genre")
        value = self.words.language if field == "language" else self.words.item_type
        return [value] if value else []


@dataclass(frozen=True)
class NewItems:
    """Those that there are at one moment."""

    items: Sequence[NewItem]
    """By number."""
    last: int
    """`seq` of the last words in the log."""
    types: Codes
    """Type code of each item of the catalogue and, behind them, of the new ones; uint8 [items]."""

    @cached_property
    def by_number(self) -> Mapping[int, NewItem]:
        return {item.number: item for item in self.items}

    @cached_property
    def by_id(self) -> Mapping[str, NewItem]:
        return {item.item_id: item for item in self.items}

    @cached_property
    def numbers(self) -> str:
        """Their numbers by id, as JSON: every query of events asks for it."""
        return json.dumps({item.item_id: item.number for item in self.items})


class NewItemLog:
    """Follows the log. Numbers that it has given stay with their items while it is open."""

    def __init__(self, log: AttachedLog, types: Codes, item_types: Sequence[str], published: int) -> None:
        """Args:
        log: beside the profiles.
        types: uint8 [items] of the catalogue.
        item_types: their names, by code.
        published: number of the last item that the index holds; items that the catalogue has behind it are new.
        """
        self._log = log
        self._catalogue = len(types)
        self._types = types
        self._codes = {name: code for code, name in enumerate(item_types)}
        self._published = published
        self._numbers: dict[str, int] = {}
        self._told: dict[str, NewItem] = {}
        self.current = NewItems((), 0, types)

    @property
    def ids(self) -> list[str]:
        """Of the numbers behind those of the catalogue, in their order."""
        return list(self._numbers)

    def follow(self) -> NewItems:
        """Those that there are now; the same object as before where nothing was told since.

        Raises:
            WorkdirError: the log is damaged.
        """
        if not self._log.exists():
            return self.current
        last = max((seq for (seq,) in self._log.all(_LAST)), default=0)
        if last != self.current.last and self._log.all(_HAS_PLACES):
            told = self._log.all(_TOLD, seen=self.current.last, published=self._published)
            self._types = np.append(self._types, np.zeros(len(told), np.uint8))
            for row in told:
                self._tell(*row)
            self._types = self._types[: self._catalogue + len(self._numbers)]
            items = tuple(sorted(self._told.values(), key=lambda item: item.number))
            self.current = NewItems(items, last, self._types)
        return self.current

    def _tell(
        self, seq: int, item_id: str, told: str, text: bytes | None, neighbours: str | None, number: int | None
    ) -> None:
        words = ItemWords.model_validate_json(told)
        if text is None or neighbours is None or words.item_type not in self._codes:
            self._told.pop(item_id, None)  # it waits for the next run
            return
        if number is None:
            number = self._numbers.setdefault(item_id, self._catalogue + len(self._numbers))
        self._types[number] = self._codes[words.item_type]
        self._told[item_id] = NewItem(number, item_id, seq, words, TextPlace(text, json.loads(neighbours)))
