"""A Qdrant server, through qdrant-client: gRPC where its port answers, else REST.

A collection is a draft until its metadata has `ready: true`, with what its searches need (`ef`, `int8`). The alias is
one of Qdrant's aliases.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Any

import httpx
import numpy as np
from grpc import Call, RpcError, StatusCode
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

from colisten.arrays import Floats, Int64s
from colisten.errors import IndexStoreError
from colisten.serving.index.collection import (
    EVERYTHING,
    Conditions,
    Hits,
    SilentServerError,
    SparseRows,
    chosen_name,
    is_name,
)
from colisten.serving.index.layout import FILTERED_FIELDS, VECTORS, Layout
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
from colisten.settings import QdrantSettings

_SECONDS = 10
"""For an answer; a server that takes longer counts as frozen. Searches of many queries go in pieces."""
_SECONDS_TO_CONNECT = 5
_QUERIES_AT_ONCE = 128
_POLL_SECONDS = 0.5
_STABLE_POLLS = 10
_SPARSE_ON_DISK = models.SparseVectorParams(index=models.SparseIndexParams(on_disk=True))
"""Answers sum the matrices in the working folder: only hybrid queries of others read the sparse index."""


def connect(settings: QdrantSettings) -> QdrantClient:
    """A client of the server at `settings.url`, after a first answer: gRPC, else REST.

    Raises:
        SilentServerError: the server takes the request and says nothing.
        IndexStoreError: it cannot be reached or refuses the key.
    """
    key = settings.api_key.get_secret_value() if settings.api_key else None

    def client(*, grpc: bool, seconds: int) -> QdrantClient:
        return QdrantClient(url=settings.url, api_key=key, prefer_grpc=grpc, timeout=seconds)

    grpc = True
    try:
        with closing(client(grpc=True, seconds=_SECONDS_TO_CONNECT)) as tried:
            tried.get_collections()
    except (RpcError, ApiException, QdrantException):
        grpc = False
        with _client_errors(), closing(client(grpc=False, seconds=_SECONDS_TO_CONNECT)) as tried:
            tried.get_collections()
    return client(grpc=grpc, seconds=_SECONDS)


class ServerCollection:
    """A collection on the server."""

    def __init__(self, client: QdrantClient, name: str, ef: int | None, int8: Int8 | None) -> None:
        self.name = name
        self.ef = ef
        self.int8 = int8
        self._client = client

    def count(self, conditions: Conditions = EVERYTHING) -> int:
        with _client_errors():
            return self._client.count(self.name, count_filter=_filter(conditions), exact=True).count

    def search(self, using: str, vectors: Floats, limit: int, conditions: Conditions, ef: int | None) -> Hits:
        return searched(self._search, using, vectors, limit, conditions, ef, self.int8)

    def _search(
        self, using: str, vectors: Floats, limit: int, conditions: Conditions, ef: int | None,
        oversampling: float | None,
    ) -> Hits:  # fmt: skip
        wanted = _filter(conditions)
        int8 = models.QuantizationSearchParams(rescore=True, oversampling=oversampling) if oversampling else None
        params = models.SearchParams(exact=ef is None and int8 is None, hnsw_ef=ef, quantization=int8)
        requests = [
            models.QueryRequest(query=vector, using=using, filter=wanted, limit=limit, params=params)
            for vector in vectors.tolist()
        ]
        found: list[models.QueryResponse] = []
        with _client_errors():
            for first in range(0, len(requests), _QUERIES_AT_ONCE):
                found += self._client.query_batch_points(self.name, requests[first : first + _QUERIES_AT_ONCE])
        return hits_of([answer.points for answer in found], limit)

    def vectors(self, using: str, items: Sequence[int]) -> dict[int, Floats]:
        with _client_errors():
            found = self._client.retrieve(self.name, list(items), with_payload=False, with_vectors=[using])
        return {int(p.id): np.asarray(p.vector[using], np.float32) for p in found if isinstance(p.vector, dict)}

    def payloads(self, items: Sequence[int]) -> dict[int, dict[str, Any]]:
        with _client_errors():
            found = self._client.retrieve(self.name, list(items), with_payload=True)
        return {int(point.id): point.payload or {} for point in found}


class ServerDraft:
    """A collection on the server that is not ready yet."""

    def __init__(self, client: QdrantClient, name: str, layout: Layout) -> None:
        self.name = name
        self.finished = False
        self._client = client
        self._layout = layout
        self._numbers = (0.0, 0.0)
        hnsw = layout.hnsw or NO_GRAPH
        with _client_errors():
            client.create_collection(
                name,
                vectors_config={
                    vector: _vector_params(vector, width, int8=layout.int8) for vector, width in layout.widths.items()
                },
                sparse_vectors_config=dict.fromkeys(layout.sparse, _SPARSE_ON_DISK),
                hnsw_config=models.HnswConfigDiff(
                    m=hnsw.m, ef_construct=hnsw.ef_construct, full_scan_threshold=FULL_SCAN_THRESHOLD
                ),
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0),
                metadata={"ready": False},
            )
            for field in ("item_id", *FILTERED_FIELDS):  # other readers look items up by their own ids
                client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD)

    def upload(
        self,
        items: Int64s,
        vectors: Mapping[str, Floats],
        sparse: Mapping[str, SparseRows],
        payloads: Sequence[dict[str, Any]],
    ) -> None:
        self._numbers = widened(self._numbers, vectors)
        lists: dict[str, list[Any]] = {name: rows.tolist() for name, rows in vectors.items()}
        for name, pairs in sparse.items():
            lists[name] = [
                models.SparseVector(indices=i.tolist(), values=v.tolist()) if len(i) else None for i, v in pairs
            ]
        points = [
            models.PointStruct(
                id=item,
                vector={name: rows[place] for name, rows in lists.items() if rows[place] is not None},
                payload=payload,
            )
            for place, (item, payload) in enumerate(zip(items.tolist(), payloads, strict=True))
        ]
        with _client_errors():
            self._client.upsert(self.name, points, wait=True)

    def build(self) -> ServerCollection:
        if self._layout.hnsw or self._layout.int8:
            self._optimise()
        return ServerCollection(self._client, self.name, None, Int8.of(self._layout, self._numbers))

    def finish(self, ef: int | None) -> None:
        with _client_errors():
            int8 = Int8.of(self._layout, self._numbers)
            metadata = {"ready": True, "ef": ef, "int8": asdict(int8) if int8 else None}
            self._client.update_collection(self.name, metadata=metadata)
        self.finished = True

    def _optimise(self) -> None:
        """Have graphs built and vectors quantised, and poll until that has stopped. The status alone does not tell: it
        begins green."""
        with _client_errors():
            self._client.update_collection(
                self.name, optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10_000)
            )
            indexed, stable = -1, 0
            while stable < _STABLE_POLLS:
                time.sleep(_POLL_SECONDS)
                info = self._client.get_collection(self.name)
                if info.status == models.CollectionStatus.RED:
                    raise IndexStoreError("Qdrant could not index the collection: its log says why.")
                busy = info.status != models.CollectionStatus.GREEN or info.indexed_vectors_count != indexed
                indexed, stable = info.indexed_vectors_count or 0, 0 if busy else stable + 1


class ServerIndex:
    """The collections of one alias on a server."""

    def __init__(self, client: QdrantClient, alias: str) -> None:
        self.alias = alias
        self._client = client

    def ready(self) -> list[str]:
        return [name for name in self._names() if self._metadata(name).get("ready")]

    def live(self) -> str | None:
        with _client_errors():
            aliases = self._client.get_aliases().aliases
        return next((found.collection_name for found in aliases if found.alias_name == self.alias), None)

    @contextmanager
    def draft(self, name: str, layout: Layout) -> Iterator[ServerDraft]:
        draft, silent = ServerDraft(self._client, name, layout), False
        try:
            yield draft
        except SilentServerError:
            silent = True  # this publish has waited: the next one removes the draft
            raise
        finally:
            if not draft.finished and not silent:
                self.drop(name)

    def open(self, name: str | None = None) -> ServerCollection:
        chosen = chosen_name(self, name)
        metadata = self._metadata(chosen)
        return ServerCollection(self._client, chosen, metadata.get("ef"), Int8.read(metadata))

    def switch(self, name: str) -> None:
        changes: list[models.AliasOperations] = []
        if self.live() is not None:
            changes.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self.alias)))
        create = models.CreateAlias(collection_name=name, alias_name=self.alias)
        with _client_errors():
            self._client.update_collection_aliases([*changes, models.CreateAliasOperation(create_alias=create)])

    def drop(self, name: str) -> None:
        with _client_errors():
            self._client.delete_collection(name)

    def clean(self) -> None:
        for name in set(self._names()) - set(self.ready()):
            self.drop(name)

    def _names(self) -> list[str]:
        with _client_errors():
            found = self._client.get_collections().collections
        return sorted(each.name for each in found if is_name(self.alias, each.name))

    def _metadata(self, name: str) -> dict[str, Any]:
        with _client_errors():
            return self._client.get_collection(name).config.metadata or {}


def _vector_params(name: str, width: int, *, int8: bool) -> models.VectorParams:
    vector = VECTORS[name]
    distance = models.Distance(DISTANCES[vector.metric])
    datatype = models.Datatype.FLOAT16 if vector.half else None
    scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=not vector.on_disk)
    return models.VectorParams(
        size=width, distance=distance, datatype=datatype, on_disk=int8 or vector.on_disk,
        quantization_config=models.ScalarQuantization(scalar=scalar) if int8 else None,
    )  # fmt: skip


def _filter(conditions: Conditions) -> models.Filter | None:
    must: list[models.Condition] = [
        models.FieldCondition(key=field, match=models.MatchAny(any=values)) for field, values in conditions.fields()
    ]
    if conditions.items is not None:
        must.append(models.HasIdCondition(has_id=list(conditions.items)))
    return models.Filter(must=must) if must else None


def _is_silent(error: Exception) -> bool:
    if isinstance(error, RpcError):
        return isinstance(error, Call) and error.code() is StatusCode.DEADLINE_EXCEEDED
    return isinstance(error, ResponseHandlingException) and isinstance(error.source, httpx.TimeoutException)


@contextmanager
def _client_errors() -> Iterator[None]:
    """What the client raises, over REST or gRPC, as an `IndexStoreError` of one sentence, which never holds the key."""
    try:
        yield
    except (RpcError, ApiException, QdrantException, ValueError) as error:
        if _is_silent(error):
            raise SilentServerError(
                "Qdrant takes requests and does not answer, as if it were frozen: restart it and try again."
            ) from error
        details = error.details() if isinstance(error, RpcError) and hasattr(error, "details") else str(error)
        message = " ".join(str(details).split())[:300]
        raise refusal(message, f"Qdrant cannot be used: {message}. Check COLISTEN_QDRANT_URL and _API_KEY.") from error
