"""The rulebook: who may be shown what at this moment, from availability and from the rules in force. One place for all
answers: of one user, in bulk, of similar items, of searches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from colisten.arrays import Bools, Floats, Int64s
from colisten.errors import SettingsError
from colisten.serving.profiles import Profiles
from colisten.serving.query import suggestion
from colisten.serving.ranking import Boost
from colisten.serving.rules.availability import Availability, Window
from colisten.serving.rules.store import EVERYBODY, Field, Rule, RuleStore


@dataclass(frozen=True)
class Audience:
    """Users to whom the same items may be shown."""

    users: Int64s
    """[n] places among those asked about, ascending."""
    kept_back: Bools | None
    """[items] what may not be shown to them; None: nothing."""
    boost: Boost | None
    """What is added to scores."""


@dataclass(frozen=True)
class _Everybody:
    """What the rules of everybody come to."""

    kept_back: Bools | None
    availability: Availability
    boost: Boost | None
    personal: bool
    """Has any user rules of their own?"""


class Rulebook:
    """The rules over one set of profiles, whose items they name. Not thread-safe, as SQLite is not."""

    def __init__(self, store: RuleStore, profiles: Profiles) -> None:
        self._store = store
        self._profiles = profiles
        self._version = (-1, -1)
        self._everybody: _Everybody | None = None

    def close(self) -> None:
        self._store.close()

    def add(self, rules: Sequence[Rule]) -> int:
        """Set rules, durably, all or none; returns how many were not there so. They hold from the next answer on, in
        every process that answers from this working folder.

        Raises:
            SettingsError: nothing in the catalogue has that id, creator or genre.
        """
        self._profiles.follow()
        for rule in rules:
            if not len(self._items([rule])):
                known = self._profiles.names_of(rule.field) if rule.field != "item" else []
                raise SettingsError(f"There is no {rule.field} {rule.value!r}{suggestion(rule.value, known)}")
        return self._store.add(rules)

    def remove(self, rules: Sequence[Rule]) -> int:
        """Take rules back, durably, all or none; returns how many there were."""
        return self._store.remove([rule.key for rule in rules])

    def tell_availability(self, item_id: str, windows: Sequence[Window]) -> bool:
        """Say where and when an item may be shown, durably, from the next answer on, in place of what the data says.

        Without any window it may be shown everywhere and always. Returns whether the catalogue has the item; what is
        told of another one holds from the run on that knows it.
        """
        self._store.tell_availability(item_id, windows)
        self._profiles.follow()
        return len(self._profiles.items_of("item", [item_id])) > 0

    def untell_availability(self, item_id: str) -> bool:
        """Let hold again what the data says of an item; returns whether something else was told."""
        return self._store.untell_availability(item_id)

    def listed(self) -> list[Rule]:
        """All rules there are."""
        return self._store.rules()

    def audiences(
        self, user_ids: Sequence[str], countries: Sequence[str | None], at: int | None = None
    ) -> Iterator[Audience]:
        """The users, grouped by what may be shown to them at a second, by default now.

        Args:
            user_ids: empty for somebody without an id.
            countries: of each user; None where it is not known.
            at: seconds since 1970, UTC.
        """
        everybody = self._current()
        availability = everybody.availability
        own = self._own(user_ids) if everybody.personal else {}
        if not (own or len(availability)):
            yield Audience(np.arange(len(user_ids)), everybody.kept_back, everybody.boost)
            return
        groups: dict[tuple[str | None, str], list[int]] = {}
        for place, (user_id, country) in enumerate(zip(user_ids, countries, strict=True)):
            key = (country if len(availability) else None, user_id if user_id in own else EVERYBODY)
            groups.setdefault(key, []).append(place)
        moment = int(time.time()) if at is None else at
        for (country, user_id), places in groups.items():
            masks = [everybody.kept_back] if everybody.kept_back is not None else []
            if len(availability):
                masks.append(availability.kept_back(country, moment))
            if user_id:
                masks.append(self._kept_back(own[user_id]))
            kept_back = np.logical_or.reduce(masks) if masks else None
            yield Audience(np.array(places, np.int64), kept_back, everybody.boost)

    def _current(self) -> _Everybody:
        version = (self._store.version(), self._profiles.new.last)
        if self._everybody is None or version != self._version:
            self._everybody, self._version = self._compiled(), version
        return self._everybody

    def _compiled(self) -> _Everybody:
        rules = self._store.of_users([EVERYBODY])
        lists = [rule for rule in rules if rule.kind != "boost"]
        kept_back = self._kept_back(lists) if lists else None
        return _Everybody(kept_back, self._availability(), self._boost(rules), personal=self._store.any_personal())

    def _availability(self) -> Availability:
        """Of the data, but for items of which something else was told."""
        told = self._store.told_availability()
        numbers = {item_id: self._profiles.items_of("item", [item_id]).tolist() for item_id in told}
        rows = {number: told[item_id] for item_id, found in numbers.items() for number in found}
        return self._profiles.availability.told(rows) if rows else self._profiles.availability

    def _own(self, user_ids: Sequence[str]) -> dict[str, list[Rule]]:
        found: dict[str, list[Rule]] = {}
        for rule in self._store.of_users([user_id for user_id in user_ids if user_id]):
            found.setdefault(rule.user_id, []).append(rule)
        return found

    def _kept_back(self, rules: Sequence[Rule]) -> Bools:
        """[items] what is denied or withdrawn, and what is not allowed where there is a list of what is."""
        size = len(self._profiles.type_of)
        allowed = [rule for rule in rules if rule.kind == "allow"]
        mask = np.full(size, bool(allowed))
        mask[self._items(allowed)] = False
        mask[self._items([rule for rule in rules if rule.kind in ("deny", "withdraw")])] = True
        return mask

    def _boost(self, rules: Sequence[Rule]) -> Boost | None:
        amounts: Floats = np.zeros(len(self._profiles.type_of), np.float32)
        for rule in rules:
            if rule.kind == "boost":
                amounts[self._items([rule])] += np.float32(rule.amount)
        items = np.flatnonzero(amounts)
        return Boost(items, amounts[items]) if len(items) else None

    def _items(self, rules: Sequence[Rule]) -> Int64s:
        """All items that any of the rules names."""
        named = {field: [rule.value for rule in rules if rule.field == field] for field in get_args(Field)}
        found = [self._profiles.items_of(field, values) for field, values in named.items() if values]
        return np.concatenate(found).astype(np.int64) if found else np.empty(0, np.int64)
