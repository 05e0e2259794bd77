"""Which back end is used: the server that the settings name, else the embedded engine."""

from __future__ import annotations

from colisten.serving.index.collection import Index
from colisten.settings import Settings
from colisten.workdir import Workdir


def open_index(workdir: Workdir, settings: Settings) -> Index:
    """The index of this working folder.

    Raises:
        IndexStoreError: a server is named and does not answer.
    """
    if settings.qdrant.url:  # the client takes two seconds to import, the engine none
        from colisten.serving.index.server import ServerIndex, connect

        return ServerIndex(connect(settings.qdrant), settings.qdrant.alias)
    from colisten.serving.index.embedded import EmbeddedIndex

    return EmbeddedIndex(workdir.index, settings.qdrant.alias)
