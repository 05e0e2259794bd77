"""Text embeddings of items: title, description and genres through the sentence encoder, cached."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from colisten.arrays import Floats
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import TextSettings
from colisten.text.cache import TextCache, digest
from colisten.text.encoder import Encoder, fingerprint
from colisten.text.item_text import item_text
from colisten.workdir import replacing_file

_TEXTS_PER_COMMIT = 1024


def encode_items(data: ListeningData, options: TextSettings, folder: Path, progress: Progress) -> Floats:
    """Text vectors of all items, float32 [items, width], of length 1, or 0 for an item without any text.

    Written to `folder/text.safetensors` as `text`. Texts that are in `folder/text.sqlite` are not encoded again,
    and equal texts are encoded once.
    """
    texts = item_texts(data)
    distinct, place = np.unique(np.array(texts, dtype=object), return_inverse=True)
    vectors = encode_texts(distinct.tolist(), options, folder / "text.sqlite", progress)
    text = vectors[place]
    with replacing_file(folder / "text.safetensors") as draft:
        save_file({"text": text}, draft)
    return text


def load_text(folder: Path) -> Floats:
    """Read what `encode_items` has written: float32 [items, width]."""
    return load_file(folder / "text.safetensors")["text"]


def item_texts(data: ListeningData) -> list[str]:
    """`item_text` of every item."""
    return [item_text(*row) for row in data.items.select("title", "description", "genres").iter_rows()]


def encode_texts(texts: Sequence[str], options: TextSettings, cache: Path, progress: Progress) -> Floats:
    """float32 [texts, width]; an empty text gives zeros."""
    filled = [place for place, text in enumerate(texts) if text]
    digests = [digest(texts[place]) for place in filled]
    with TextCache.open(cache, fingerprint(options)) as known:
        missing = [texts[filled[i]] for i in known.missing(digests)]
        width = known.width()
        if missing or width is None:
            width = _encode_and_store(missing, len(filled) - len(missing), options, known, progress)
        out = np.zeros((len(texts), width), np.float32)
        out[filled] = known.vectors(digests, width)
    return out


def _encode_and_store(
    texts: list[str], cached: int, options: TextSettings, known: TextCache, progress: Progress
) -> int:
    """Encode, longest text first, since a batch of equal lengths needs no padding; returns the encoder's width.

    Progress counts the `cached` texts too, so that a run that goes on begins where the last one stopped.
    """
    encoder = Encoder(options)
    texts = sorted(texts, key=len, reverse=True)
    pieces = [texts[start : start + _TEXTS_PER_COMMIT] for start in range(0, len(texts), _TEXTS_PER_COMMIT)]
    with (
        progress.task("encoding texts", total=cached + len(texts)) as task,
        closing(encoder.encode_all(pieces)) as encoded,
    ):
        task.advance(cached)
        for piece, vectors in zip(pieces, encoded, strict=True):
            known.add([digest(text) for text in piece], vectors)
            task.advance(len(piece))
    return encoder.width
