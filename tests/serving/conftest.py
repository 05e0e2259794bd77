"""All back ends for the same tests, and one served working folder for all tests that only read it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from colisten.graph_store.edge_summary import FILE
from colisten.graph_store.edges import build_edges
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.loading import load_graph
from colisten.graph_store.relations.edges import relation_edges
from colisten.listening.data import ListeningData
from colisten.relations import SAME_CREATOR, SIMILAR_TEXT
from colisten.serving.index import server
from colisten.serving.index.collection import Index
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.index.server import ServerIndex
from colisten.serving.index.server import connect as connect_qdrant
from colisten.settings import GraphSettings, QdrantSettings, RelationSettings, Settings
from colisten.workdir import Workdir
from tests.conftest import given, wipe
from tests.graph_store.worlds import add_edges
from tests.serving.index.numpy_index import NumpyIndex
from tests.serving.worlds import QUIET, texts


def qdrant_server() -> QdrantClient:
    """The server that whoever runs the tests has named; the test is skipped where there is none."""
    url, key = given("COLISTEN_QDRANT_URL"), given("COLISTEN_QDRANT_API_KEY")
    if not url:
        pytest.skip("COLISTEN_QDRANT_URL names no Qdrant server")
    return connect_qdrant(QdrantSettings.model_validate({"url": url, "api_key": key}))


@pytest.fixture(params=["embedded", "client", "server", "numpy"])
def index(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Embedded Qdrant; the server's adapter over qdrant-client's own memory, and over a server if one runs; NumPy."""
    if request.param == "numpy":
        yield NumpyIndex("colisten")
        return
    if request.param == "embedded":
        yield EmbeddedIndex(tmp_path / "index", "colisten")
        return
    if request.param == "client":
        monkeypatch.setattr(server, "_POLL_SECONDS", 0)  # it builds nothing
    client = qdrant_server() if request.param == "server" else QdrantClient(":memory:")
    found = ServerIndex(client, f"test-{uuid.uuid4().hex[:8]}" if request.param == "server" else "colisten")
    yield found
    found.clean()
    for name in found.ready():
        found.drop(name)
    client.close()


@pytest.fixture(scope="module")
def with_graph(
    world: tuple[Workdir, ListeningData, Settings],
    neo4j_endpoint: Endpoint,
    neo4j_settings: Settings,
    graph_workdir: Workdir,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Settings for that folder, whose graph is in the session's Neo4j meanwhile: by listeners, creators and texts."""
    edges = tmp_path_factory.mktemp("edges")
    build_edges(world[1], GraphSettings(top_k=5), edges, QUIET)
    related = tuple(RelationSettings(name=name, cap=3) for name in (SAME_CREATOR, SIMILAR_TEXT))
    add_edges(edges / FILE, relation_edges(world[1], texts(len(world[1].items), seed=0), related, QUIET))
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        load_graph(world[1], edges / FILE, neo4j_settings, graph_workdir, QUIET)
    return world[2].model_copy(update={"neo4j": neo4j_settings.neo4j})
