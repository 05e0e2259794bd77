"""The snapshot back end: the whole CSR in memory-mapped files, made once per graph version."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from colisten.arrays import Codes, Floats, Int32s, Int64s
from colisten.errors import GraphError
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.stream.adjacency import Adjacency, RowPieces, Rows
from colisten.graph_store.stream.csr import EdgeArrays, count_ends, put_edges
from colisten.ragged import offsets
from colisten.workdir import replacing_folder, write_json


class SnapshotAdjacency(Adjacency):
    """Rows one after the other: `items[indptr[i]:indptr[i + 1]]` and their `weights`."""

    def __init__(
        self, indptr: Int64s, items: Int32s, weights: Floats, *, degrees: Int32s, node_type: Codes,
        node_types: tuple[str, ...], relations: tuple[str, ...], version: str,
    ) -> None:  # fmt: skip
        self.indptr, self.items, self.weights = indptr, items, weights
        self.degrees, self.node_type, self.node_types = degrees, node_type, node_types
        self.relations, self.version = relations, version
        self._folder: Path | None = None

    def rows(self, items: Int64s) -> RowPieces:
        yield Rows(np.arange(len(items)), self.indptr[items], self.items, self.weights)

    def close(self) -> None:
        """The files stay mapped for as long as an array of them is in use."""

    @classmethod
    def from_edges(
        cls, src: Int32s, dst: Int32s, weight: Floats, *, node_type: Codes, node_types: tuple[str, ...],
        relation: Codes | None = None, relations: tuple[str, ...] = (CO_LISTENED,), version: str = "",
    ) -> Self:  # fmt: skip
        """A snapshot in memory, from arrays of edges, each edge once per relation.

        `relation` [edges]: place in `relations`; None: all are of the first one.

        Raises:
            ValueError: the arrays differ in length, or an edge leads beyond the items, or is of no relation.
        """
        codes = np.zeros(len(src), np.uint8) if relation is None else relation
        if not len(src) == len(dst) == len(weight) == len(codes):
            raise ValueError(f"{len(src)}, {len(dst)} and {len(weight)} are not the ends and weights of edges")
        chunks = [
            EdgeArrays(src[of], dst[of], weight[of], int(code))
            for code in np.unique(codes)
            for of in [np.flatnonzero(codes == code)]
        ]
        degrees = np.zeros((len(node_type), len(relations) * len(node_types)), np.int32)
        for chunk in chunks:
            count_ends(degrees, node_type, len(node_types), chunk)
        indptr = offsets(degrees.sum(axis=1, dtype=np.int64))
        items, weights = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
        put_edges(degrees, len(node_types), chunks, node_type, items, weights)
        return cls(
            indptr, items, weights, degrees=degrees, node_type=node_type, node_types=node_types, relations=relations,
            version=version,
        )  # fmt: skip

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map the files of a folder made by `write_snapshot`.

        Raises:
            GraphError: the folder is missing or is no whole snapshot.
        """
        try:
            about = json.loads((folder / "snapshot.json").read_text())
            arrays = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r")
                for name in ("indptr", "items", "weights", "degrees", "node_type")
            }
            opened = cls(
                **arrays, node_types=tuple(about["node_types"]), relations=tuple(about["relations"]),
                version=about["version"],
            )  # fmt: skip
            opened._check()
        except (OSError, ValueError, KeyError) as error:
            raise GraphError(f"{folder} holds no snapshot of the graph: export it from Neo4j again.") from error
        opened._folder = folder
        return opened

    def _check(self) -> None:
        """Files that do not belong together are refused: compiled code uses one as places in the other."""
        size = self.indptr[-1]
        whole = self.node_type.max() < len(self.node_types) and len(self.items) == len(self.weights) == size
        whole &= self.degrees.shape[1] == len(self.relations) * len(self.node_types)
        if not whole or not np.array_equal(np.diff(self.indptr), self.degrees.sum(axis=1, dtype=np.int64)):
            raise ValueError("the arrays of a snapshot do not fit each other")

    def __reduce__(self) -> tuple[Any, ...]:
        if self._folder is not None:
            return type(self).open, (self._folder,)
        about = {name: getattr(self, name) for name in ("degrees", "node_type", "node_types", "relations", "version")}
        return partial(type(self), **about), (self.indptr, self.items, self.weights)


def write_snapshot(
    folder: Path, edges: Iterable[EdgeArrays], *, degrees: Int32s, node_type: Codes, node_types: tuple[str, ...],
    relations: tuple[str, ...], version: str,
) -> SnapshotAdjacency:  # fmt: skip
    """Write a snapshot from a stream of edges, relation by relation, straight to their places, whole or not at all.

    Raises:
        GraphError: the edges are not those that `degrees` [items, relations × node types] counts.
    """
    indptr = offsets(degrees.sum(axis=1, dtype=np.int64))
    size = (int(indptr[-1]),)
    with replacing_folder(folder) as draft:
        for name, array in (("indptr", indptr), ("degrees", degrees), ("node_type", node_type)):
            np.save(draft / f"{name}.npy", array)
        items = _writable(draft / "items.npy", np.int32, size)
        weights = _writable(draft / "weights.npy", np.float32, size)
        if not put_edges(degrees, len(node_types), edges, node_type, items, weights):
            raise GraphError("The graph changed while it was being exported: run the export again.")
        items.flush()
        weights.flush()
        write_json(
            draft / "snapshot.json", {"version": version, "node_types": list(node_types), "relations": list(relations)}
        )
    return SnapshotAdjacency.open(folder)


def _writable(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new array in a file that has all of its room: where a disk fills up under a map, the process is killed."""
    array: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if sys.platform == "linux":
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
