"""People who follow: after a volume they want the next one, after an item more of its creator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats, Int64s
from colisten.listening.synth.catalogue import Catalogue
from colisten.ragged import distinct, offsets, spans

_NEXT_VOLUME = 6.0
"""Additional log odds of the volume after one that was streamed."""
_SAME_CREATOR = 2.0
"""Additional log odds of the items of a creator of whom one was streamed."""


@dataclass(frozen=True)
class Following:
    """What items of one type lead to; an item is its place among them."""

    next_volume: Int64s
    """[items] the next volume, negative where there is none."""
    creator: Int64s
    """[items]"""
    of_creator: Int64s
    """[items] ordered by creator."""
    first: Int64s
    """[creators + 1] where the items of each creator begin in `of_creator`."""

    @classmethod
    def among(cls, catalogue: Catalogue, items: Int64s) -> Following:
        """For the `items` of one type, which follow one another in the catalogue."""
        creator = catalogue.creator[items] - catalogue.creator[items].min()
        return cls(
            catalogue.next_volume[items] - items[0], creator, np.argsort(creator, kind="stable"),
            offsets(np.bincount(creator)),
        )  # fmt: skip

    def add(self, scores: Floats, users: Int64s, streamed: Int64s) -> None:
        """Raise `scores`, log preferences float32 [users, items], of what distinct pairs of followers lead to.

        Args:
            scores: changed in place.
            users: [n] rows of `scores`.
            streamed: [n] the items.
        """
        following = self.next_volume[streamed]
        goes_on = following >= 0
        scores[users[goes_on], following[goes_on]] += _NEXT_VOLUME
        creators = len(self.first) - 1
        user, creator = np.divmod(distinct(users * creators + self.creator[streamed]), creators)
        items = np.diff(self.first)[creator]
        scores[np.repeat(user, items), self.of_creator[spans(self.first[creator], items)]] += _SAME_CREATOR
