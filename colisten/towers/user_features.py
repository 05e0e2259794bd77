"""What the user tower sees of a listener: one NumPy function, called in training and in serving alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats
from colisten.towers.columns import Column, encode_columns
from colisten.towers.history import Bags, bag_means, bag_sums
from colisten.towers.listeners import Listeners


@dataclass(frozen=True)
class UserFeatures:
    """Columns of the users table beside the bags of the history (paper 4.2)."""

    columns: tuple[Column, ...]
    bags: Bags
    content: Floats
    """[items, width] what an item puts into a bag: its graph embedding and its text."""

    def encode(self, listeners: Listeners) -> Floats:
        """The whole feature matrix, [users, width]."""
        sums, counts = bag_sums(self.bags.history(listeners), self.bags.count, self.content)
        return self.join(self.encode_columns(listeners), bag_means(sums, counts))

    def encode_columns(self, listeners: Listeners) -> Floats:
        return encode_columns(self.columns, listeners.features, len(listeners))

    @staticmethod
    def join(columns: Floats, history: Floats) -> Floats:
        return np.concatenate([columns, history], axis=1)

    @property
    def width(self) -> int:
        return sum(column.width for column in self.columns) + self.bags.count * (int(self.content.shape[1]) + 1)
