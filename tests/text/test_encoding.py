"""Text embeddings by the real packaged encoder, on a few texts."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from colisten.arrays import Floats
from colisten.errors import SettingsError
from colisten.progress import Progress, Task
from colisten.settings import TextSettings
from colisten.text import encoding as encoding_module
from colisten.text.cache import TextCache, digest
from colisten.text.encoder import Encoder
from colisten.text.encoding import encode_items, encode_texts, item_texts, load_text
from tests.worlds import Columns, write_listening

QUIET = Progress(quiet=True)
OPTIONS = TextSettings()
TITLES = ["Murder on the moor", "Sourdough for beginners", "", "Murder on the moor", "A killing in the marsh"]


class Counting(Encoder):
    """The real encoder, with a record of the texts it has encoded."""

    encoded: list[str]

    def encode(self, texts: Sequence[str]) -> Floats:
        type(self).encoded += filter(None, texts)
        return super().encode(texts)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    monkeypatch.setattr(encoding_module, "Encoder", Counting)
    Counting.encoded = []
    return Counting


def test_title_description_and_genres_make_the_text(tmp_path: Path) -> None:
    columns: Columns = {
        "title": [" A ", "B", None, ""], "description": ["d", None, "e", " "], "genres": [["x", "y"], [], None, None],
    }  # fmt: skip
    data = write_listening(tmp_path, ["audiobook"] * 4, [], items=columns)
    assert item_texts(data) == ["A\nd\nx, y", "B", "e", ""]


def test_equal_texts_once_empty_ones_never_and_known_ones_not_again(tmp_path: Path, counted: type[Counting]) -> None:
    data = write_listening(tmp_path / "a", ["audiobook"] * 5, [], items={"title": TITLES})
    vectors = encode_items(data, OPTIONS, tmp_path / "features", QUIET)
    assert sorted(counted.encoded) == sorted({title for title in TITLES if title})
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 384)
    assert not vectors[2].any()
    assert np.array_equal(vectors[0], vectors[3])
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 1, 4]], axis=1), 1, atol=1e-3)
    assert vectors[0] @ vectors[4] > vectors[0] @ vectors[1] + 0.2
    assert np.array_equal(load_text(tmp_path / "features"), vectors)

    counted.encoded = []
    changed = write_listening(tmp_path / "b", ["audiobook"] * 5, [], items={"title": [*TITLES[:4], "Gardening"]})
    again = encode_items(changed, OPTIONS, tmp_path / "features", QUIET)
    assert counted.encoded == ["Gardening"]
    assert np.array_equal(again[:4], vectors[:4])
    assert not np.array_equal(again[4], vectors[4])


def test_what_was_encoded_before_a_kill_is_kept(
    tmp_path: Path, counted: type[Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding_module, "_TEXTS_PER_COMMIT", 2)
    original, added = TextCache.add, list[bytes]()

    def add(self: TextCache, digests: list[bytes], vectors: Floats) -> None:
        if added:
            raise KeyboardInterrupt
        original(self, digests, vectors)
        added.extend(digests)

    texts = ["one", "two", "three", "four"]
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(TextCache, "add", add)
        encode_texts(texts, OPTIONS, tmp_path / "text.sqlite", QUIET)
    kept = {text for text in texts if digest(text) in added}
    assert len(kept) == 2
    counted.encoded, moved = [], []
    with monkeypatch.context() as patched:
        patched.setattr(Task, "advance", lambda task, amount: moved.append((amount, task.total)))
        found = encode_texts(texts, OPTIONS, tmp_path / "text.sqlite", QUIET)
    assert set(counted.encoded) == set(texts) - kept
    assert moved == [(2, 4), (2, 4)]  # the bar goes on where it stopped
    np.testing.assert_allclose(found, Encoder(OPTIONS).encode(texts), atol=0.02)


def test_many_pieces_at_once_come_in_order() -> None:
    encoder, threads = Encoder(OPTIONS), torch.get_num_threads()
    pieces = [[f"{word} {place}" for word in ("wool", "a tale of the moor")] for place in range(20)]
    found = list(encoder.encode_all(pieces))
    assert len(found) == len(pieces)
    for piece, vectors in zip(pieces, found, strict=True):
        np.testing.assert_allclose(vectors, encoder.encode(piece), atol=0.02)
    assert torch.get_num_threads() == threads


def test_another_truncation_is_another_encoder(tmp_path: Path, counted: type[Counting]) -> None:
    texts = ["a long tale of wool, sheep and the moor"]
    full = encode_texts(texts, OPTIONS, tmp_path / "text.sqlite", QUIET)
    short = encode_texts(texts, TextSettings(max_tokens=5), tmp_path / "text.sqlite", QUIET)
    assert len(counted.encoded) == 2
    assert full[0] @ short[0] < 0.95


def test_only_empty_texts_still_have_a_width(tmp_path: Path) -> None:
    assert encode_texts(["", ""], OPTIONS, tmp_path / "text.sqlite", QUIET).shape == (2, 384)


def test_the_cache_keeps_encoders_apart(tmp_path: Path) -> None:
    keys = [digest("a"), digest("b")]
    with TextCache.open(tmp_path / "cache", "one") as cache:
        assert cache.width() is None
        cache.add(keys[:1], np.ones((1, 3), np.float32))
        assert cache.missing(keys) == [1]
        assert cache.width() == 3
    with TextCache.open(tmp_path / "cache", "two") as cache:
        assert cache.missing(keys) == [0, 1]


def test_the_packaged_encoder_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert Encoder(OPTIONS).encode(["hello"]).shape == (1, 384)


def test_a_missing_encoder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be loaded"):
        Encoder(TextSettings(encoder=str(tmp_path)))
