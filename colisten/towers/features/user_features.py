"""Features of the user tower: one NumPy function for training and serving, so that both see the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats
from colisten.listening.histories import UserHistories
from colisten.towers.features.bags import BagLayout, BagSums
from colisten.towers.features.columns import Column, encode_columns


@dataclass(frozen=True)
class UserFeatures:
    """Columns of the users table beside the bags of the history (paper 4.2)."""

    columns: tuple[Column, ...]
    bags: BagLayout
    content: Floats
    """[items, width] what an item puts into a bag: its graph embedding and its text."""

    def encode(self, histories: UserHistories) -> Floats:
        """The whole feature matrix, [users, width]."""
        sums = BagSums.of(self.bags.history(histories), self.bags.count, self.content)
        return self.join(self.encode_columns(histories), sums.features())

    def encode_columns(self, histories: UserHistories) -> Floats:
        return encode_columns(self.columns, histories.features, len(histories))

    @staticmethod
    def join(columns: Floats, history: Floats) -> Floats:
        return np.concatenate([columns, history], axis=1)

    @property
    def width(self) -> int:
        return sum(column.width for column in self.columns) + self.bags.count * (int(self.content.shape[1]) + 1)
