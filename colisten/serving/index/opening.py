"""The index of a working folder: on the Qdrant server that the settings name, else in the embedded engine."""

from __future__ import annotations

from pathlib import Path

from colisten.serving.index.collection import Index
from colisten.settings import Settings
from colisten.workdir import Workdir


def open_index(workdir: Workdir, settings: Settings) -> Index:
    """The index of this working folder.

    Raises:
        IndexStoreError: a server is named and does not answer.
    """
    if settings.qdrant.url:  # imported only here: the client takes two seconds to import, the engine none
        from colisten.serving.index.server import ServerIndex, connect

        return ServerIndex(connect(settings.qdrant), settings.qdrant.alias)
    from colisten.serving.index.embedded import EmbeddedIndex

    return EmbeddedIndex(workdir.index, settings.qdrant.alias)


def encoder_folder(workdir: Workdir, name: str) -> Path:
    """Where the user encoder that was published with the collection `name` is kept."""
    return workdir.index / "towers" / name
