"""PyG's loaders, transforms, explainers and Lightning over the engine, on a real Neo4j; and the page that shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.loader import LinkLoader, NodeLoader
from torch_geometric.nn import GraphConv, HeteroConv, SAGEConv, to_hetero
from torch_geometric.sampler import NegativeSampling

from colisten.errors import GraphError
from colisten.graph_store.edge_type import CO_LISTENED, directed_edge_types
from colisten.graph_store.endpoint import Endpoint, connect
from colisten.graph_store.stream.csr import EdgeArrays
from colisten.graph_store.stream.edge_reading import NO_TIME
from colisten.graph_store.stream.edge_times import EdgeTimes
from colisten.graph_store.stream.hetero import to_hetero_data
from colisten.graph_store.stream.live import LiveAdjacency
from colisten.graph_store.stream.pyg import DatabaseFeatureStore, DatabaseGraphStore, DatabaseSampler, edge_weight
from colisten.graph_store.stream.sampler import NeighbourSampler
from colisten.graph_store.stream.snapshot import write_snapshot
from colisten.prefetch import prefetch_map
from tests.conftest import wipe
from tests.graph_store.stream.graphs import last_of, load, random_graph
from tests.pages import blocks, put_on_path

ROOT = Path(__file__).parents[3]
GRAPH = random_graph(300, 4_000, 8, types=2)
KIND = ("Audiobook", "co_listened", "Podcast")


@pytest.fixture(scope="module")
def loaded(neo4j_endpoint: Endpoint) -> Endpoint:
    with connect(neo4j_endpoint) as driver:
        wipe(driver)
        load(driver, GRAPH)
    return neo4j_endpoint


@pytest.fixture
def live(loaded: Endpoint) -> Iterator[LiveAdjacency]:
    with LiveAdjacency.open(loaded) as opened:
        yield opened


def stores(live: LiveAdjacency) -> tuple[DatabaseFeatureStore, DatabaseGraphStore]:
    return DatabaseFeatureStore(live, {"x": live.read_property("vector")}), DatabaseGraphStore(live)


def node_loader(live: LiveAdjacency, **more: Any) -> NodeLoader:
    features, store = stores(live)
    return NodeLoader(
        (features, store),
        DatabaseSampler(store, fan_out=(3, 2)),
        "Podcast",
        batch_size=16,
        transform=edge_weight,
        **more,
    )


def link_loader(live: LiveAdjacency, **more: Any) -> LinkLoader:
    features, store = stores(live)
    return LinkLoader(
        (features, store),
        DatabaseSampler(store, fan_out=(-1, -1)),
        (KIND, None),
        batch_size=16,
        transform=edge_weight,
        **more,
    )


def items_of(live: LiveAdjacency, batch: HeteroData, name: str) -> Any:
    """Features carry the item's number: what a batch says of itself can be checked."""
    items = batch[name].x[:, 0].numpy().astype(int)
    assert (live.node_type[items] == live.node_types.index(name)).all()
    return items


TRUTH = GRAPH.networkx()


def check_edges(live: LiveAdjacency, batch: HeteroData) -> None:
    assert batch.edge_types == list(live.edge_types)
    for src, _, dst in batch.edge_types:
        sources, destinations = items_of(live, batch, src), items_of(live, batch, dst)
        ends, weights = batch[src, dst].edge_index, batch[src, dst].edge_weight
        for a, b, weight in zip(*ends.tolist(), weights.tolist(), strict=True):
            assert TRUTH.edges[int(sources[a]), int(destinations[b]), 0]["weight"] == pytest.approx(weight, rel=1e-6)


def check_times(live: LiveAdjacency, batch: HeteroData) -> None:
    for src, _, dst in batch.edge_types:
        sources, destinations = items_of(live, batch, src), items_of(live, batch, dst)
        a, b = batch[src, dst].edge_index.numpy()
        expected = last_of(sources[a], destinations[b])
        np.testing.assert_array_equal(batch[src, dst].edge_time, np.where(expected > 0, expected, NO_TIME))


def test_edges_know_when_they_were_last_made(live: LiveAdjacency) -> None:
    times, (features, store) = EdgeTimes.read(live), stores(live)
    assert len(times.pairs) == len(GRAPH.src)
    for batch in node_loader(live):
        check_times(live, times.add_to(batch, store.places))
    around = NeighbourSampler(live, (4, 4)).sample(np.arange(20), np.random.default_rng(0))
    check_times(live, times.add_to(to_hetero_data(around, live, features.features["x"])))
    assert (times.of(GRAPH.dst[:9], GRAPH.src[:9]) == times.of(GRAPH.src[:9], GRAPH.dst[:9])).all()
    assert (times.of(np.array([7]), np.array([7])) == NO_TIME).all()


def test_times_of_edges_that_are_not_streamed_are_refused(loaded: Endpoint) -> None:
    with LiveAdjacency.open(loaded, relations=("same_mood",)) as other, pytest.raises(GraphError, match="not streamed"):
        EdgeTimes.read(other)


@pytest.mark.parametrize("workers", [{}, {"num_workers": 2}, {"num_workers": 1, "multiprocessing_context": "spawn"}])
def test_node_loader_gives_every_node_with_its_neighbours(live: LiveAdjacency, workers: dict[str, Any]) -> None:
    seen = []
    for batch in node_loader(live, **workers):
        check_edges(live, batch)
        seeds = items_of(live, batch, "Podcast")[: batch["Podcast"].batch_size]
        assert batch["Podcast"].num_sampled_nodes[0] == len(seeds)
        np.testing.assert_array_equal(batch["Podcast"].n_id[: len(seeds)], batch["Podcast"].input_id)
        seen += seeds.tolist()
    assert seen == np.flatnonzero(live.node_type == live.node_types.index("Podcast")).tolist()


def test_threads_give_what_one_thread_gives(live: LiveAdjacency) -> None:
    """Features of one batch under another's nodes is what sharing PyG's attribute objects would lead to."""
    loader = node_loader(live)
    for _ in range(5):
        one_by_one = list(loader)
        threaded = list(prefetch_map(loader, loader.batch_sampler, threads=8, depth=16))
        for one, other in zip(one_by_one, threaded, strict=True):
            assert one.to_dict().keys() == other.to_dict().keys()
            for name in one.node_types:
                assert torch.equal(one[name].x, other[name].x)
                assert torch.equal(one[name].n_id, other[name].n_id)
            for kind in one.edge_types:
                assert torch.equal(one[kind].edge_index, other[kind].edge_index)
                assert torch.equal(one[kind].edge_weight, other[kind].edge_weight)


@pytest.mark.parametrize("negatives", [None, NegativeSampling("binary"), NegativeSampling("triplet", 2)])
def test_link_loader_keeps_its_own_edges_out_of_the_messages(
    live: LiveAdjacency, negatives: NegativeSampling | None
) -> None:
    supervised = 0
    for batch in link_loader(live, neg_sampling=negatives, shuffle=True):
        check_edges(live, batch)
        books, podcasts = items_of(live, batch, "Audiobook"), items_of(live, batch, "Podcast")
        if negatives is not None and negatives.is_triplet():
            pairs = zip(books[batch["Audiobook"].src_index], podcasts[batch["Podcast"].dst_pos_index], strict=True)
        else:
            ends = batch[KIND].edge_label_index
            if negatives is not None:
                ends = ends[:, batch[KIND].edge_label > 0]
            pairs = zip(books[ends[0]], podcasts[ends[1]], strict=True)
        own = {(int(a), int(b)) for a, b in pairs}
        forth, back = (batch[kind].edge_index.tolist() for kind in (KIND, KIND[::-1]))
        messages = {(int(books[a]), int(podcasts[b])) for a, b in zip(*forth, strict=True)}
        messages |= {(int(books[a]), int(podcasts[b])) for b, a in zip(*back, strict=True)}
        assert all(TRUTH.has_edge(*pair) for pair in own)
        assert not own & messages
        supervised += len(own)
    kinds = np.sort(np.stack([GRAPH.node_type[GRAPH.src], GRAPH.node_type[GRAPH.dst]]), axis=0)
    assert supervised == ((kinds[0] == 0) & (kinds[1] == 1)).sum()


class Weighted(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = GraphConv((-1, -1), 8), GraphConv((-1, -1), 1)

    def forward(self, x: Any, edge_index: Any, edge_weight: Any) -> Any:
        return self.second(self.first(x, edge_index, edge_weight).relu(), edge_index, edge_weight)


def test_to_hetero_uses_edges_and_their_weights(live: LiveAdjacency) -> None:
    batch = next(iter(node_loader(live)))
    model = to_hetero(Weighted(), batch.metadata())
    weighted = model(batch.x_dict, batch.edge_index_dict, batch.edge_weight_dict)
    even = model(
        batch.x_dict, batch.edge_index_dict, {k: torch.ones_like(w) for k, w in batch.edge_weight_dict.items()}
    )
    assert weighted["Podcast"].shape == (batch["Podcast"].num_nodes, 1)
    assert not torch.allclose(weighted["Podcast"], even["Podcast"])


class Podcasts(torch.nn.Module):
    """One number for each podcast, from what is up to two hops away."""

    def __init__(self) -> None:
        super().__init__()
        kinds = directed_edge_types(("Audiobook", "Podcast"), (CO_LISTENED,))
        self.first, self.second = (HeteroConv({kind: SAGEConv(2, width) for kind in kinds}) for width in (2, 1))

    def forward(self, x_dict: Any, edge_index_dict: Any) -> Any:
        return self.second(self.first(x_dict, edge_index_dict), edge_index_dict)["Podcast"]


def test_an_explainer_weighs_the_edges_of_a_batch(live: LiveAdjacency) -> None:
    batch = next(iter(node_loader(live)))
    explainer = Explainer(
        Podcasts(), GNNExplainer(epochs=2), explanation_type="model", node_mask_type="attributes",
        edge_mask_type="object", model_config={"mode": "regression", "task_level": "node", "return_type": "raw"},
    )  # fmt: skip
    found = explainer(batch.x_dict, batch.edge_index_dict, index=torch.arange(4))
    assert set(found.edge_types) == set(batch.edge_types)
    assert any(found[kind].edge_mask.max() > 0 for kind in found.edge_types)


class Regressor(lightning.LightningModule):
    """Tells a podcast's number from its neighbours': learnable only if features and edges belong together."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Podcasts()
        self.losses: list[float] = []

    def training_step(self, batch: HeteroData) -> torch.Tensor:
        x = {name: value / 300 for name, value in batch.x_dict.items()}
        seeds = batch["Podcast"].batch_size
        loss: torch.Tensor = (self.model(x, batch.edge_index_dict)[:seeds, 0] - x["Podcast"][:seeds, 0]).square().mean()
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


def test_lightning_trains_from_the_database(live: LiveAdjacency) -> None:
    torch.manual_seed(0)
    model = Regressor()
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=8, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, node_loader(live, shuffle=True))
    assert np.mean(model.losses[-8:]) < 0.2 * np.mean(model.losses[:4])


@pytest.mark.slow
def test_two_processes_train_one_model_on_disjoint_shares(tmp_path: Path) -> None:
    write_snapshot(
        tmp_path / "graph", [EdgeArrays(GRAPH.src, GRAPH.dst, GRAPH.weight)], degrees=GRAPH.adjacency().degrees,
        node_type=GRAPH.node_type, node_types=GRAPH.node_types, relations=GRAPH.relations, version="v1",
    )  # fmt: skip
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("ddp.py")), str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=300, capture_output=True)
    seeds = [json.loads((tmp_path / f"seeds-{rank}.json").read_text()) for rank in range(2)]
    assert len(seeds[0]) == len(seeds[1]) == 4, "processes step together: as many batches for each"
    flat = [item for share in seeds for batch in share for item in batch]
    assert len(set(flat)) == len(flat) > 250
    first, second = (json.loads((tmp_path / f"weights-{rank}.json").read_text()) for rank in range(2))
    assert first == second


def test_the_page_runs_as_it_stands(loaded: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path("loader.md", "my_models.py", tmp_path, monkeypatch)
    code = [content for language, file, content in blocks("loader.md") if language == "python" and not file]
    assert len(code) == 5
    names: dict[str, Any] = {"endpoint": loaded}
    exec(compile("\n".join(code), "docs/loader.md", "exec"), names)  # noqa: S102 the page is what is tested
    steps = {int(state["step"]) for state in names["optimiser"].state.values()}
    assert steps == {2 * len(names["loader"]) + len(names["batches"])}
    assert all(parameter.isfinite().all() for parameter in names["model"].parameters())
