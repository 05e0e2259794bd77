"""Publishing the index: upload to a new collection, check its recall, switch the alias atomically, roll back."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import save_file

from colisten.errors import IndexStoreError
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.serving import payload_index
from colisten.serving.index.collection import Index, new_name
from colisten.serving.index.layout import Layout
from colisten.serving.index.opening import encoder_folder, open_index
from colisten.serving.probe import probe
from colisten.serving.published_items import PublishedItems, published_items
from colisten.settings import Settings
from colisten.towers.tensors import mapped
from colisten.towers.user_encoder import UserEncoder
from colisten.workdir import Workdir, replacing_folder

_UPLOAD_BATCH = 1000


@dataclass(frozen=True)
class CollectionInfo:
    """One finished collection."""

    name: str
    live: bool
    items: int


def publish(workdir: Workdir, data: ListeningData, settings: Settings, progress: Progress) -> str:
    """Publish the vectors in `W/gnn`, `W/towers` and `W/features`; returns the name of the now live collection.

    The user encoder is kept beside the collection it belongs to, so that readers never mix vectors of two trainings:
    not while training runs, not after a kill, not after a rollback.

    Raises:
        IndexStoreError: the recall check or the index failed; the collection that was live before still is.
    """
    encoder = UserEncoder.load(workdir.towers)
    hgnn = mapped(workdir.gnn / "items.safetensors")["embeddings"]
    text = mapped(workdir.features / "text.safetensors")["text"]
    published = published_items(data, encoder.item_vectors, hgnn, text, encoder.matrices)
    index = open_index(workdir, settings)
    index.clean()
    name = new_name(index.alias, index.ready())
    with replacing_folder(encoder_folder(workdir, name)) as draft:
        shutil.copytree(workdir.towers, draft, copy_function=_link, dirs_exist_ok=True)
        save_file(published.inverted_lists(), draft / payload_index.FILE)
    qdrant = settings.qdrant
    int8 = qdrant.quantization == "int8"
    publish_items(index, name, published, progress, exact_up_to=qdrant.exact_up_to, keep=qdrant.keep, int8=int8)
    _remove_old_encoders(workdir, index)
    return name


def publish_items(
    index: Index, name: str, published: PublishedItems, progress: Progress, *, exact_up_to: int, keep: int,
    int8: bool = False,
) -> None:  # fmt: skip
    """Upload the items as collection `name`, check it, switch the alias, and drop old collections.

    Args:
        index: where to.
        name: of the new collection, made by `new_name`.
        published: items with vectors and payloads.
        progress: where to report to.
        exact_up_to: items up to which searches look at all of them; beyond, an HNSW graph is built.
        keep: collections kept, the new one included.
        int8: let searches read int8 vectors, and score the best of these by the vectors themselves.

    Raises:
        IndexStoreError: the collection is incomplete or its recall too low; the one before stays live.
    """
    widths = {vector: rows.shape[1] for vector, rows in published.vectors.items()}
    layout = Layout.of(widths, tuple(published.sparse), len(published), exact_up_to=exact_up_to, int8=int8)
    with index.draft(name, layout) as draft:
        with progress.task("publishing", len(published)) as task:
            for start in range(0, len(published), _UPLOAD_BATCH):
                rows = slice(start, start + _UPLOAD_BATCH)
                vectors = {vector: values[rows].astype(np.float32) for vector, values in published.vectors.items()}
                sparse = {vector: matrix.rows(rows) for vector, matrix in published.sparse.items()}
                draft.upload(published.items[rows], vectors, sparse, published.payloads(start, start + _UPLOAD_BATCH))
                task.advance(len(published.items[rows]))
        with progress.task("building the index and probing it"):
            draft.finish(probe(draft.build(), published, layout, progress))
    before = index.live()
    index.switch(name)
    _drop_old(index, before, name, keep)


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


def _drop_old(index: Index, before: str | None, live: str, keep: int) -> None:
    """Keep the live collection and those published before it; one that was rolled back from is dropped first."""
    ready = index.ready()
    good = [name for name in ready if before is None or name <= before or name == live]
    for name in set(ready) - set(good[-keep:]):
        index.drop(name)


def _remove_old_encoders(workdir: Workdir, index: Index) -> None:
    kept = set(index.ready())
    for folder in encoder_folder(workdir, "").iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _link(source: str, target: str) -> None:
    """Hard-link a file, which is only ever replaced, never changed; copy it where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
