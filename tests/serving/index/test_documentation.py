"""The queries of docs/qdrant.md, run as they stand, against what Colisten itself answers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from colisten.listening.data import ListeningData
from colisten.relations import BUILT_IN
from colisten.serving.index.collection import Index, new_name
from colisten.serving.index.embedded import EmbeddedIndex
from colisten.serving.index.layout import VECTORS
from colisten.serving.index.server import ServerIndex
from colisten.serving.published_items import COLUMNS, published_items
from colisten.serving.publishing import publish_items
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.towers.parts import COLD, TRANSITIONS, WARM, weak_matrix
from colisten.towers.user_encoder import UserEncoder
from colisten.workdir import Workdir
from tests.serving.worlds import QUIET

World = tuple[Workdir, ListeningData, Settings]
DOC = Path(__file__).parents[3] / "docs/qdrant.md"
USER = "u5"


def page_code(kind: str) -> str:
    return "\n".join(re.findall(rf"```python {kind}\n(.*?)```", DOC.read_text(), re.DOTALL))


@pytest.fixture
def names(index: Index, world: World, tmp_path: Path) -> dict[str, Any]:
    """Names that the page's code uses, over a copy of the served folder published to either back end."""
    workdir, data, _ = world
    copy = tmp_path / "W"
    shutil.copytree(workdir.root, copy)
    if isinstance(index, EmbeddedIndex):
        return {"workdir": copy, "index": EmbeddedIndex(copy / "index", "colisten")}
    assert isinstance(index, ServerIndex)
    name = new_name(index.alias, index.ready())
    encoder = UserEncoder.load(copy / "towers")
    hgnn = load_file(copy / "gnn/items.safetensors")["embeddings"]
    text = load_file(copy / "features/text.safetensors")["text"]
    published = published_items(data, encoder.item_vectors, hgnn, text, encoder.matrices)
    publish_items(index, name, published, QUIET, exact_up_to=10_000, keep=2)
    shutil.copytree(copy / "towers", copy / "index/towers" / name)
    return {"workdir": copy, "index": index, "client": index._client, "alias": index.alias}


def ids(points: list[Any]) -> list[str]:
    return [point.payload["item_id"] for point in points]


@pytest.mark.parametrize("index", ["embedded", "client", "server"], indirect=True)
def test_the_queries_of_the_page_answer_like_colisten(world: World, names: dict[str, Any]) -> None:
    workdir, data, _ = world
    item_id = data.items["item_id"][12]
    code = page_code("client" if "client" in names else "embedded")
    found = names | {"item_id": item_id, "user_id": USER}
    exec(compile(code, "docs/qdrant.md", "exec"), found)  # noqa: S102 — our own page
    recommender = Recommender.open(workdir, world[2])

    listeners = (
        pl.read_parquet(data.interactions).filter(pl.col("signal") == 0).group_by("item").agg(pl.n_unique("user"))
    )
    known = dict(listeners.iter_rows())
    all_near = recommender.similar("Title 3", Query(500, "podcast", ("en",))).items
    assert ids(found["near"]) == [near.item_id for near in all_near if known.get(near.item, 0) <= 20][:5]

    assert found["number"] == 12
    for vector, stored in found["vectors"].items():
        folder = {"hgnn": workdir.gnn / "items.safetensors", "text": workdir.features / "text.safetensors"}[vector]
        row = next(iter(load_file(folder).values()))[12]
        np.testing.assert_allclose(stored, row / np.linalg.norm(row), atol=1e-5)

    touched = set(recommender.profiles.read([USER])[0].items.tolist())
    best = recommender.recommend([USER], Query(500, include_heard=True)).items
    assert ids(found["best"]) == [item.item_id for item in best if item.item not in touched][:10]
    assert found["unknown"] == []

    text = load_file(workdir.features / "text.safetensors")["text"]
    likeness = np.where(data.items["retired"].to_numpy(), -np.inf, text @ text[3])
    likeness[3] = -np.inf
    assert ids(found["alike"]) == data.items["item_id"][np.argsort(-likeness)[:5]].to_list()


def test_the_page_names_every_vector_and_payload_field(world: World) -> None:
    rows = set(re.findall(r"^\| (`.*?) \|", DOC.read_text(), re.MULTILINE))
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {*VECTORS, WARM, COLD, *BUILT_IN[1:], TRANSITIONS, weak_matrix(1), *COLUMNS, "popularity"}
    stored = Recommender.open(world[0], world[2]).collection
    assert set(stored.payloads([1])[1]) <= named
