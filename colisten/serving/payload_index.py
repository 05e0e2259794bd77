"""Which published items have which value of a filtered field: what the engine filters by, for NumPy.

Kept beside the user encoder of a collection as `payload_index.safetensors`: the items of each `FIELD=VALUE`, ascending.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from colisten.arrays import Bools, Int32s, Int64s
from colisten.ragged import contains
from colisten.serving.index.collection import Conditions
from colisten.towers.tensors import mapped

FILE = "payload_index.safetensors"
ALL = "*"
"""Stands for all published items."""
_KEPT = 16
"""Masks that are kept for the next questions."""


@dataclass(frozen=True)
class PayloadIndex:
    """Inverted lists over the filtered fields."""

    lists: Mapping[str, Int32s]
    """`FIELD=VALUE`, or `ALL` → items, ascending."""
    _masks: dict[Conditions, Bools] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        return cls(mapped(folder / FILE))

    def share(self, conditions: Conditions) -> float:
        """About which share of the published items satisfies the conditions, if the fields are independent."""
        found = 1.0
        for name, values in conditions.fields():
            having = sum(len(self.lists.get(name_of(name, value), ())) for value in values)
            found *= min(1.0, having / max(1, len(self.lists[ALL])))
        return found

    def mask(self, conditions: Conditions) -> Bools:
        """[last published item + 1] which items are published and satisfy the conditions; not to be written to."""
        if conditions not in self._masks:
            size = int(self.lists[ALL][-1]) + 1
            satisfied = _mask(size, [self.lists[ALL]])
            for name, values in conditions.fields():
                names = [name_of(name, value) for value in values]
                satisfied &= _mask(size, [self.lists[name] for name in names if name in self.lists])
            if len(self._masks) >= _KEPT:
                self._masks.clear()
            self._masks[conditions] = satisfied
        return self._masks[conditions]

    def satisfying(self, items: Int64s, conditions: Conditions) -> Bools:
        """[n] whether each of these items is published and satisfies the conditions."""
        satisfied = self._any_of([ALL], items.astype(np.int32))
        for name, values in conditions.fields():
            satisfied[satisfied] = self._any_of(
                [name_of(name, value) for value in values], items[satisfied].astype(np.int32)
            )
        return satisfied

    def _any_of(self, names: list[str], items: Int32s) -> Bools:
        found = np.zeros(len(items), bool)
        for name in names:
            if name in self.lists:
                found |= contains(self.lists[name], items)
        return found


def _mask(size: int, lists: list[Int32s]) -> Bools:
    found = np.zeros(size, bool)
    for items in lists:
        found[items] = True
    return found


def name_of(field: str, value: str) -> str:
    """The name of an inverted list."""
    return f"{field}={value}"
