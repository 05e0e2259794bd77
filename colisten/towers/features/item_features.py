"""Features of the item tower, and an item's content vector in user histories."""

from __future__ import annotations

import numpy as np
import polars as pl

from colisten.arrays import Floats
from colisten.listening.data import ListeningData

TEXT_WIDTH = 64
"""Principal components of the text that the towers see."""
FREQUENT = 64
"""Most frequent languages, genres and item types that get a place of their own."""
_ROWS_AT_ONCE = 1 << 14
"""Bounds memory in double precision (50 MB at a width of 384)."""


def content_of(text: Floats, embeddings: Floats) -> Floats:
    """Graph embedding beside the text's principal components, each block of unit mean square, [items, width]."""
    return np.concatenate([_unit_block(embeddings), _unit_block(principal(text, TEXT_WIDTH))], axis=1)


def item_features(data: ListeningData, content: Floats) -> Floats:
    """The content, beside item type, language and genres as flags; [items, width]."""
    items = data.items
    places = [_flags(items[name], len(items)) for name in ("item_type", "language", "genres") if name in items.columns]
    return np.concatenate([content, *places], axis=1, dtype=np.float32)


def principal(vectors: Floats, width: int) -> Floats:
    """The `width` strongest principal components (all, where there are fewer), signs fixed."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        centred = vectors[first : first + _ROWS_AT_ONCE] - mean
        covariance += centred.T @ centred
    _, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :width]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]) if axes.size else 1.0
    axes = axes * signs
    components: Floats = (vectors @ axes.astype(np.float32) - mean @ axes).astype(np.float32)
    return components


def centred(text: Floats) -> Floats:
    """Text vectors less their mean, of unit length: encoders put all texts of one subject into a narrow cone.

    An item without text (zeros) stays zero.
    """
    has = np.any(text, axis=1, keepdims=True)
    mean = text.sum(axis=0, keepdims=True) / max(int(has.sum()), 1)
    unit: Floats = (text - mean).astype(np.float32, copy=False)
    unit *= has
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    return unit


def _unit_block(block: Floats) -> Floats:
    if not block.size:
        return block
    scale = max(float(np.sqrt(np.mean(np.square(block)))), 1e-9)
    return (block / scale).astype(np.float32)


def _flags(column: pl.Series, items: int) -> Floats:
    """[items, frequent values] 1 where the item has the value; a list may have several."""
    long = pl.DataFrame({"item": np.arange(items), "value": column}).drop_nulls("value")
    if column.dtype == pl.List(pl.String):
        long = long.explode("value").drop_nulls("value")
    frequent = long["value"].value_counts().sort(["count", "value"], descending=[True, False]).head(FREQUENT)
    found = long.join(frequent.select("value").with_row_index("place"), on="value")
    flags = np.zeros((items, len(frequent)), np.float32)
    flags[found["item"].to_numpy(), found["place"].to_numpy()] = 1
    return flags
