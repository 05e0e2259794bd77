"""From trained vectors to a live index: a new collection, a probe, one switch, and a way back."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from colisten.errors import IndexStoreError
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.serving.index.collection import Index, Layout, new_name
from colisten.serving.index.opening import open_index
from colisten.serving.probe import probe
from colisten.serving.published_items import PublishedItems, published_items
from colisten.settings import QdrantSettings, Settings
from colisten.towers.tensors import mapped
from colisten.workdir import Workdir, replacing_folder

_AT_ONCE = 1000


@dataclass(frozen=True)
class CollectionInfo:
    """One finished collection."""

    name: str
    live: bool
    items: int


def publish(workdir: Workdir, data: ListeningData, settings: Settings, progress: Progress) -> str:
    """Publish what `gnn/` and `towers/` made; returns the name of the collection that is live from now on.

    The user tower is kept beside the collection it belongs to, so that readers never mix vectors of two trainings:
    not while training runs, not after a kill, not after a rollback.

    Raises:
        IndexStoreError: the probe failed or Qdrant did; what was live before still is.
    """
    towers = mapped(workdir.towers / "items.safetensors")["vectors"]
    hgnn = mapped(workdir.gnn / "items.safetensors")["embeddings"]
    catalogue = published_items(data, towers, hgnn, mapped(workdir.features / "text.safetensors")["text"])
    index = open_index(workdir, settings)
    index.clean()
    name = new_name(index.alias, index.ready())
    with replacing_folder(encoder_folder(workdir, name)) as draft:
        item_vectors = shutil.ignore_patterns("items.safetensors")
        shutil.copytree(workdir.towers, draft, copy_function=_link, ignore=item_vectors, dirs_exist_ok=True)
    publish_items(index, name, catalogue, settings.qdrant, progress)
    _forget_encoders(workdir, index)
    return name


def publish_items(
    index: Index, name: str, catalogue: PublishedItems, settings: QdrantSettings, progress: Progress
) -> None:
    """Upload, probe, switch, and drop what is beyond `settings.keep`."""
    graph = len(catalogue) > settings.exact_up_to
    layout = Layout({vector: rows.shape[1] for vector, rows in catalogue.vectors.items()}, graph)
    with index.draft(name, layout) as draft:
        with progress.task("publishing", len(catalogue)) as task:
            for start in range(0, len(catalogue), _AT_ONCE):
                rows = slice(start, start + _AT_ONCE)
                vectors = {vector: values[rows] for vector, values in catalogue.vectors.items()}
                draft.upload(catalogue.items[rows], vectors, catalogue.payloads(start, start + _AT_ONCE))
                task.advance(len(catalogue.items[rows]))
        with progress.task("building the index and probing it"):
            draft.finish(probe(draft.build(), catalogue, graph=graph, progress=progress))
    before = index.live()
    index.switch(name)
    _drop_old(index, before, name, settings.keep)


def rollback(index: Index, to: str | None = None) -> str:
    """Make an earlier collection live again, by default the one before the live one; returns its name.

    Raises:
        IndexStoreError: there is no such collection.
    """
    ready, live = index.ready(), index.live()
    earlier = [name for name in ready if live is not None and name < live]
    target = to or next(reversed(earlier), None)
    if target not in ready:
        known = ", ".join(ready) or "none"
        raise IndexStoreError(f"There is no {to or 'earlier'} index to go back to; there are: {known}.")
    index.switch(target)
    return target


def list_collections(index: Index) -> list[CollectionInfo]:
    """The finished collections, oldest first."""
    live = index.live()
    return [CollectionInfo(name, name == live, index.open(name).count()) for name in index.ready()]


def encoder_folder(workdir: Workdir, name: str) -> Path:
    """Where the user tower of a collection is kept."""
    return workdir.index / "towers" / name


def _drop_old(index: Index, before: str | None, live: str, keep: int) -> None:
    """Keep the live one and those published before it; what was rolled back from goes first."""
    ready = index.ready()
    good = [name for name in ready if before is None or name <= before or name == live]
    for name in set(ready) - set(good[-keep:]):
        index.drop(name)


def _forget_encoders(workdir: Workdir, index: Index) -> None:
    kept = set(index.ready())
    for folder in encoder_folder(workdir, "").iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _link(source: str, target: str) -> None:
    """A second name for a file that is only ever replaced, never changed; a copy where the disk has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
