"""Input node features: text embedding and log degrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.arrays import Floats, Int32s, Int64s

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class NodeFeatures:
    """An item's text vector, and log(1 + degree) in each group (relation and node type of the neighbour)."""

    text: Floats
    """[items, text width]"""
    degrees: Int32s
    """[items, groups]"""

    @property
    def width(self) -> int:
        return int(self.text.shape[1] + self.degrees.shape[1])

    def of(self, items: Int64s, isolated: Int64s = _NONE, groups: slice = slice(None)) -> Floats:
        """[items, width]; those that are also in `isolated` get degrees of zero in these groups."""
        degrees = np.log1p(self.degrees[items], dtype=np.float32)
        degrees[np.isin(items, isolated), groups] = 0
        text = self.text[items] * np.float32(self.text.shape[1] ** 0.5)  # entries near 1, else training starts blind
        return np.concatenate([text, degrees], axis=1)

    def sample(self, count: int) -> Floats:
        """[min(count, items), width], of items evenly spread over the catalogue."""
        items = len(self.text)
        return self.of(np.unique(np.linspace(0, items - 1, min(count, items), dtype=np.int64)))
