"""Embedded Qdrant (`qdrant-edge-py`): the engine in this process, over a folder that many may read while one publishes.

W/index/ALIAS.json        {"collection": NAME}: what readers open, replaced atomically
W/index/NAME/shard/       a finished collection: segments of the engine, in the server's format
W/index/NAME/ready.json   {"items": N, "ef": EF, …}: how many items it holds, and what its searches need
W/index/.NAME.…/          a draft; renamed when it is finished, removed when it is not

The engine locks only its write-ahead log. Shards here have none (a draft that was killed is of no use), so any number
of processes may open one: opening and closing replaces small files by equal ones and changes no byte in place. But it
silently recreates files that are missing. Whoever may not write in a shard opens a private view of it
(`private_view.py`). A folder is renamed before it is removed, and a reader that no longer
finds `ready.json` after opening discards what it opened.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from filelock import FileLock, Timeout

from colisten.arrays import Floats, Int64s
from colisten.errors import IndexStoreError, OutOfSpaceError
from colisten.full_disk import says_full
from colisten.panics import is_failure
from colisten.serving.index.collection import EVERYTHING, Conditions, Hits, SparseRows, chosen_name, is_name
from colisten.serving.index.layout import FILTERED_FIELDS, VECTORS, Layout
from colisten.serving.index.private_view import is_ours, shard_files, write_view
from colisten.serving.index.qdrant import (
    DISTANCES,
    FULL_SCAN_THRESHOLD,
    NO_GRAPH,
    Int8,
    hits_of,
    refusal,
    searched,
    widened,
)
from colisten.workdir import scratch_folder, write_json

_SPARSE_ON_DISK = edge.EdgeSparseVectorParams(memory=edge.Memory.Cold)
"""Answers sum the matrices in the working folder: only hybrid queries of others read the sparse index."""
_SPARE = 64 << 20
"""Bytes of disk to begin a batch with: where none is left for a page of a file that it has mapped, the engine's process
is killed."""


class EmbeddedCollection:
    """An opened shard."""

    def __init__(self, name: str, folder: Path, ef: int | None, int8: Int8 | None) -> None:
        self.name = name
        self.ef = ef
        self.int8 = int8
        try:
            self._shard = _loaded(folder, private=not is_ours(folder))
        except OutOfSpaceError:  # for the files that the engine writes as it opens; there may be room elsewhere
            self._shard = _loaded(folder, private=True)

    def count(self, conditions: Conditions = EVERYTHING) -> int:
        with _engine_errors():
            return int(self._shard.count(edge.CountRequest(filter=_filter(conditions), exact=True)))

    def search(self, using: str, vectors: Floats, limit: int, conditions: Conditions, ef: int | None) -> Hits:
        return searched(self._search, using, vectors, limit, conditions, ef, self.int8)

    def _search(
        self, using: str, vectors: Floats, limit: int, conditions: Conditions, ef: int | None,
        oversampling: float | None,
    ) -> Hits:  # fmt: skip
        wanted = _filter(conditions)
        int8 = edge.QuantizationSearchParams(rescore=True, oversampling=oversampling) if oversampling else None
        params = edge.SearchParams(exact=ef is None and int8 is None, hnsw_ef=ef, quantization=int8)
        requests = [
            edge.QueryRequest(
                limit=limit, query=edge.Query.Nearest(vector, using=using), filter=wanted, params=params,
                with_payload=False,
            )
            for vector in vectors
        ]  # fmt: skip
        with _engine_errors():
            return hits_of(self._shard.query_batch(edge.QueryBatchRequest(requests)), limit)

    def vectors(self, using: str, items: Sequence[int]) -> dict[int, Floats]:
        with _engine_errors():
            found = self._shard.retrieve(list(items), False, [using])
        return {_number(record): _vector(record, using) for record in found}

    def payloads(self, items: Sequence[int]) -> dict[int, dict[str, Any]]:
        with _engine_errors():
            found = self._shard.retrieve(list(items), True, False)
        return {_number(record): record.payload or {} for record in found}

    def close(self) -> None:
        with _engine_errors():
            self._shard.close()


class EmbeddedDraft:
    """A shard being written in a hidden folder."""

    def __init__(self, name: str, folder: Path, layout: Layout) -> None:
        self.name = name
        self.finished = False
        self._folder = folder
        self._layout = layout
        self._numbers = (0.0, 0.0)
        self._collection: EmbeddedCollection | None = None
        (folder / "shard").mkdir()
        with _engine_errors():
            self._shard = edge.EdgeShard.create(str(folder / "shard"), _config(layout))
            for field in FILTERED_FIELDS:
                self._shard.update(edge.UpdateOperation.create_field_index(field, edge.PayloadSchemaType.Keyword))

    def upload(
        self,
        items: Int64s,
        vectors: Mapping[str, Floats],
        sparse: Mapping[str, SparseRows],
        payloads: Sequence[dict[str, Any]],
    ) -> None:
        if shutil.disk_usage(self._folder).free < _SPARE:
            raise _out_of_space()
        self._numbers = widened(self._numbers, vectors)
        named: dict[str, Any] = dict(vectors)
        for name, pairs in sparse.items():
            named[name] = [edge.SparseVector(i.tolist(), v.tolist()) if len(i) else None for i, v in pairs]
        points = [
            edge.Point(item, {name: rows[place] for name, rows in named.items() if rows[place] is not None}, payload)
            for place, (item, payload) in enumerate(zip(items.tolist(), payloads, strict=True))
        ]
        with _engine_errors():
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def build(self) -> EmbeddedCollection:
        with _engine_errors():
            self._shard.flush()
            self._shard.close()
        # -P: what lies in the current folder under the name of a module is not run
        command = [sys.executable, "-P", "-m", "colisten.serving.index.optimise", str(self._folder / "shard")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == -signal.SIGBUS:  # no room for a page of a file that is mapped
            raise _out_of_space()
        if done.returncode:
            raise _error_of(done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"])
        int8 = Int8.of(self._layout, self._numbers)
        self._collection = EmbeddedCollection(self.name, self._folder / "shard", None, int8)
        return self._collection

    def finish(self, ef: int | None) -> None:
        assert self._collection is not None, "build() comes first"
        int8 = self._collection.int8
        found = {"items": self._collection.count(), "ef": ef, "int8": asdict(int8) if int8 else None}
        write_json(self._folder / "ready.json", found | {"sizes": _sizes(self._folder / "shard")})
        self.finished = True

    def close(self) -> None:
        if self._collection is not None:
            self._collection.close()


class EmbeddedIndex:
    """The collections in `W/index/`."""

    def __init__(self, root: Path, alias: str) -> None:
        self.alias = alias
        self._root = root

    def ready(self) -> list[str]:
        return sorted(
            path.parent.name for path in self._root.glob("*/ready.json") if is_name(self.alias, path.parent.name)
        )

    def live(self) -> str | None:
        try:
            return str(json.loads((self._root / f"{self.alias}.json").read_text())["collection"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def draft(self, name: str, layout: Layout) -> Iterator[EmbeddedDraft]:
        self._root.mkdir(parents=True, exist_ok=True)
        with self._publish_lock():
            folder = Path(tempfile.mkdtemp(dir=self._root, prefix=f".{name}."))
            try:
                draft = EmbeddedDraft(name, folder, layout)
                yield draft
                draft.close()
                if draft.finished:
                    folder.replace(self._root / name)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def open(self, name: str | None = None) -> EmbeddedCollection:
        chosen = chosen_name(self, name)
        try:
            path = self._root / chosen / "ready.json"
            ready = json.loads(path.read_text())
            if damaged := _of_another_size(path.parent / "shard", ready):  # the engine would crash on it
                raise IndexStoreError(f"{damaged} has not the size that it was published with.")
            collection = EmbeddedCollection(chosen, path.parent / "shard", ready["ef"], Int8.read(ready))
            if path.exists() and collection.count() == ready["items"]:
                return collection
            raise IndexStoreError("Its files are gone, or hold another number of items than were published.")
        except (IndexStoreError, FileNotFoundError, ValueError, KeyError, TypeError) as error:
            if name is None and self.live() != chosen:  # a publish removed it after its name was read
                return self.open()
            raise IndexStoreError(
                f"The index {chosen} cannot be opened: publish again (`colisten index publish`)."
            ) from error

    def switch(self, name: str) -> None:
        write_json(self._root / f"{self.alias}.json", {"collection": name})

    def drop(self, name: str) -> None:
        dropped = self._root / f".{name}.dropped"
        (self._root / name).replace(dropped)
        shutil.rmtree(dropped, ignore_errors=True)

    def clean(self) -> None:
        with self._publish_lock():
            drafts = self._root.glob(f".{self.alias}-*")
            collections = (folder for folder in self._root.iterdir() if is_name(self.alias, folder.name))
            damaged = (folder for folder in collections if not _is_whole(folder))
            for folder in (*drafts, *damaged):
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _publish_lock(self) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._root / ".lock", timeout=0):
                yield
        except Timeout:
            raise IndexStoreError("Another process is publishing to this index: wait for it or stop it.") from None


def _loaded(shard: Path, *, private: bool) -> edge.EdgeShard:
    """Open a shard, or a private view of one that cannot be written to; an opened shard outlives its view."""
    with _engine_errors():
        if not private:
            return edge.EdgeShard.load(str(shard))
        with scratch_folder() as view:
            write_view(shard, view)
            return edge.EdgeShard.load(str(view))


def _config(layout: Layout) -> edge.EdgeConfig:
    hnsw = layout.hnsw or NO_GRAPH
    return edge.EdgeConfig(
        vectors={name: _vector_params(name, width, int8=layout.int8) for name, width in layout.widths.items()},
        sparse_vectors=dict.fromkeys(layout.sparse, _SPARSE_ON_DISK),
        hnsw_config=edge.HnswIndexConfig(
            m=hnsw.m, ef_construct=hnsw.ef_construct, full_scan_threshold=FULL_SCAN_THRESHOLD
        ),
        optimizers=edge.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1),
        wal_enabled=False,
    )


def _vector_params(name: str, width: int, *, int8: bool) -> edge.EdgeVectorParams:
    vector = VECTORS[name]
    distance = getattr(edge.Distance, DISTANCES[vector.metric])
    datatype = edge.VectorStorageDatatype.Float16 if vector.half else None
    searched_in = edge.Memory.Cold if vector.on_disk else edge.Memory.Cached
    return edge.EdgeVectorParams(
        width, distance, datatype=datatype, memory=edge.Memory.Cold if int8 else searched_in,
        quantization_config=edge.ScalarQuantizationConfig(edge.ScalarType.Int8, memory=searched_in) if int8 else None,
    )  # fmt: skip


def _number(record: edge.Record) -> int:
    assert isinstance(record.id, int)
    return record.id


def _vector(record: edge.Record, using: str) -> Floats:
    assert isinstance(record.vector, dict)
    return np.asarray(record.vector[using], np.float32)


def _filter(conditions: Conditions) -> edge.Filter | None:
    must: list[edge.ConditionType] = [
        edge.FieldCondition(field, match=edge.MatchAny(values)) for field, values in conditions.fields()
    ]
    if conditions.items is not None:
        must.append(edge.HasIdCondition(set(conditions.items)))
    return edge.Filter(must=must) if must else None


def _sizes(shard: Path) -> dict[str, int]:
    """Bytes of each file; JSON left out, which the engine writes anew whenever it opens a shard."""
    files = (path for _, files in shard_files(shard) for path in files if path.suffix != ".json")
    return {str(path.relative_to(shard)): path.stat().st_size for path in files}


def _of_another_size(shard: Path, ready: Mapping[str, Any]) -> str:
    """A file that has not the size that it was published with, if there is one."""
    sizes = ready.get("sizes", {}).items()
    return next((file for file, size in sizes if (shard / file).stat().st_size != size), "")


def _is_whole(collection: Path) -> bool:
    try:
        ready = json.loads((collection / "ready.json").read_text())
        for _, files in shard_files(collection / "shard"):
            for path in files:
                if path.suffix == ".json":
                    json.loads(path.read_text())
        return not _of_another_size(collection / "shard", ready)
    except (FileNotFoundError, ValueError, AttributeError):
        return False


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except BaseException as error:  # the engine raises nothing more specific
        if not is_failure(error):
            raise
        raise _error_of([str(error)]) from error


def _out_of_space() -> OutOfSpaceError:
    return OutOfSpaceError("No space is left on the disk: free some and publish again; the live index is as it was.")


def _error_of(lines: Sequence[str]) -> IndexStoreError | OutOfSpaceError:
    sentence = " ".join(lines).rstrip(".")
    if says_full(sentence):
        return _out_of_space()
    return refusal(sentence, f"The embedded vector index failed: {sentence}.")
