"""Training for real, on graphs that take a second or two."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from torch import nn
from torch_geometric.data import HeteroData

from colisten.arrays import Bools, Floats, Int64s
from colisten.errors import GraphError, WorkdirError
from colisten.gnn.batches import TrainingBatch
from colisten.gnn.embedding import embed_items
from colisten.gnn.hgnn import HGNN
from colisten.gnn.lightning_module import GnnTraining
from colisten.gnn.model import ModelSpec
from colisten.gnn.model_files import load_model
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.training import train_gnn
from colisten.gnn.training_log import EpochReport
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.stream.keys import held_out
from colisten.graph_store.stream.snapshot import SnapshotAdjacency
from colisten.progress import Progress
from colisten.settings import GnnSettings
from tests.gnn import worlds

Step = Callable[[GnnTraining, TrainingBatch], object]
QUIET = Progress(quiet=True)


def _train(world: tuple[SnapshotAdjacency, Floats], folder: Path, seed: int = 1, **changes: object) -> nn.Module:
    options = GnnSettings.model_validate(worlds.QUICK.model_dump() | changes)
    return train_gnn(*world, options, seed=seed, folder=folder, progress=QUIET)


def _log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("loss", ["margin", "softmax"])
@pytest.mark.parametrize("aggregate", ["max", "mean"])
def test_two_communities_are_told_apart(tmp_path: Path, loss: str, aggregate: str) -> None:
    adjacency, text, community = worlds.cliques()
    _train((adjacency, text), tmp_path, loss=loss, aggregate=aggregate, validation=0.02)
    by_chance = {"margin": 0.3, "softmax": np.log(24)}[loss]
    assert _log(tmp_path)[-1]["loss"] < 0.05 * by_chance
    vectors = embed_items(adjacency, text, tmp_path, QUIET)
    scores = vectors @ vectors.T
    together = community[:, None] == community
    apart = scores[~together]
    np.fill_diagonal(together, False)
    assert (scores[together][:, None] > apart).mean() > 0.99


def _messages(graph: HeteroData, items: int) -> Bools:
    """[items, items] whether the first receives a message from the second."""
    out = np.zeros((items, items), np.bool_)
    for src, relation, dst in graph.edge_types:
        senders, receivers = graph[src, relation, dst].edge_index
        out[graph[dst].n_id[receivers], graph[src].n_id[senders]] = True
    return out


def _seeds(graph: HeteroData) -> Int64s:
    """The items behind the rows of `seed_vectors`."""
    return np.concatenate([graph[name].n_id[: graph[name].num_sampled_nodes[0]].numpy() for name in graph.node_types])


def test_a_model_keeps_how_its_features_were_whitened(tmp_path: Path) -> None:
    """Another day's features differ, and its weights are of these."""
    adjacency = worlds.random_graph(60, 500, [0] * 30 + [1] * 30, worlds.TYPES)
    text = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    x = torch.from_numpy(NodeFeatures(text, adjacency.degrees).sample(60))
    for degree in (0.0, 0.3):
        _train((adjacency, text), tmp_path, max_epochs=1, whitening=degree)
        model, _ = load_model(tmp_path, adjacency)
        assert isinstance(model, HGNN)
        torch.testing.assert_close(model.project.mean, x.mean(dim=0) * bool(degree))
        assert torch.equal(model.project.whitening, torch.eye(x.shape[1])) == (not degree)


def test_no_message_passes_along_a_batchs_own_pairs_nor_held_out_edges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adjacency = worlds.random_graph(120, 2500, [0] * 60 + [1] * 60, worlds.TYPES)
    text = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    seen: list[tuple[str, TrainingBatch]] = []
    for step in ("training_step", "validation_step"):
        monkeypatch.setattr(GnnTraining, step, _watched(step, getattr(GnnTraining, step), seen))
    _train((adjacency, text), tmp_path, validation=0.2, max_epochs=3, fan_out=(8, 8))
    everything = worlds.joined(adjacency)
    first, second = np.nonzero(everything)
    hidden = np.zeros_like(everything)
    hidden[first, second] = held_out(first, second, 0.2, 1)
    assert 0.1 < hidden.sum() / everything.sum() < 0.3
    for step, batch in seen:
        messages = _messages(batch.graph, 120)
        assert not (messages & ~everything).any()
        assert not (messages & hidden).any()
        pairs = _pairs(batch, 120)
        assert (pairs & everything).sum() == pairs.sum() > 0
        assert not (messages & (pairs | pairs.T)).any()
        assert (pairs & hidden).any() == (step == "validation_step")
        assert step == "validation_step" or not (_masked(batch, 120) & hidden).any()
    heard = np.logical_or.reduce([_messages(batch.graph, 120) for _, batch in seen])
    supervised = np.logical_or.reduce([_pairs(batch, 120) for step, batch in seen if step == "training_step"])
    assert (heard & supervised).any()  # a pair is kept from its own batch alone: other batches do hear of it


def _watched(name: str, step: Step, seen: list[tuple[str, TrainingBatch]]) -> Step:
    def watched(self: GnnTraining, batch: TrainingBatch) -> object:
        seen.append((name, batch))
        return step(self, batch)

    return watched


def _pairs(batch: TrainingBatch, items: int) -> Bools:
    out = np.zeros((items, items), np.bool_)
    seeds = _seeds(batch.graph)
    for contrast in batch.contrasts:
        out[seeds[contrast.anchor], seeds[contrast.positive]] = True
    return out


def _masked(batch: TrainingBatch, items: int) -> Bools:
    out = np.zeros((items, items), np.bool_)
    seeds = _seeds(batch.graph)
    for contrast in batch.contrasts:
        row, column = np.nonzero(contrast.false_negatives.numpy())
        out[seeds[contrast.anchor[row]], seeds[contrast.negatives[column]]] = True
    return out


def test_batches_made_ahead_are_those_of_their_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adjacency = worlds.random_graph(80, 900, [0] * 40 + [1] * 40, worlds.TYPES)
    text = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    seen: list[tuple[str, TrainingBatch]] = []
    monkeypatch.setattr(GnnTraining, "training_step", _watched("training", GnnTraining.training_step, seen))
    threads = set(threading.enumerate())
    model = _train((adjacency, text), tmp_path, max_epochs=3, patience=3)
    options = GnnSettings.model_validate(worlds.QUICK.model_dump())
    training = GnnTraining(model, adjacency, text, options, 1)
    isolated = [
        batch for epoch in range(3) for batch in training.training_stream([(epoch, training.edges_of(epoch))], 1)
    ]
    assert len(seen) == len(isolated)
    assert all(
        np.array_equal(_seeds(ours.graph), _seeds(batch.graph)) for (_, ours), batch in zip(seen, isolated, strict=True)
    )
    left = set(threading.enumerate()) - threads
    assert not [thread.name for thread in left if thread.name.startswith("colisten")]


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    adjacency = worlds.random_graph(80, 500, [0] * 40 + [1] * 40, worlds.TYPES)
    text = np.random.default_rng(0).normal(size=(80, 16)).astype(np.float32)
    model = _train((adjacency, text), tmp_path, learning_rate=0.03, patience=3, validation=0.2, max_epochs=50)
    validation = [line["validation"] for line in _log(tmp_path)]
    assert len(validation) == int(np.argmin(validation)) + 1 + 3 < 50
    options = GnnSettings.model_validate(worlds.QUICK.model_dump() | {"validation": 0.2})
    training = GnnTraining(model, adjacency, text, options, 1)
    with torch.no_grad():
        rows = torch.cat([training.loss(batch) for batch in training.val_dataloader()])
    assert float(rows.mean()) == pytest.approx(min(validation), abs=1e-4)


def _weights(model: nn.Module) -> Iterator[torch.Tensor]:
    return iter(model.state_dict().values())


def test_the_seed_decides_and_threads_do_not(tmp_path: Path) -> None:
    world = worlds.cliques()[:2]
    runs = [
        _train(world, tmp_path / str(place), seed=seed, prefetch=prefetch, max_epochs=3)
        for place, (seed, prefetch) in enumerate([(1, 0), (1, 4), (2, 0)])
    ]
    assert all(torch.equal(a, b) for a, b in zip(_weights(runs[0]), _weights(runs[1]), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(_weights(runs[0]), _weights(runs[2]), strict=True))


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds.cliques()[:2]
    whole = _train(world, tmp_path / "whole", max_epochs=6)
    original = EpochReport.on_train_epoch_start

    def killed(self: EpochReport, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 3:
            raise KilledError
        original(self, trainer, pl_module)

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(EpochReport, "on_train_epoch_start", killed)
        _train(world, tmp_path / "killed", max_epochs=6)
    resumed = _train(world, tmp_path / "killed", max_epochs=6)
    assert [line["epoch"] for line in _log(tmp_path / "killed")] == [0, 1, 2, 3, 4, 5]
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(resumed), strict=True))
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "model.json", "model.safetensors", "training.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize("options", [{"max_epochs": 3}, {"max_epochs": 30, "patience": 2, "learning_rate": 0.2}])
def test_a_training_that_was_killed_at_its_end_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    """All of its epochs are done, or early stopping has ended it, but no model is written yet."""
    world = worlds.cliques()[:2]
    changes: dict[str, Any] = options
    whole = _train(world, tmp_path / "whole", **changes)

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr("colisten.gnn.training.save_model", killed)
        _train(world, tmp_path / "killed", **changes)
    with monkeypatch.context() as patched:
        patched.setattr(GnnTraining, "training_step", killed)
        finished = _train(world, tmp_path / "killed", **changes)
    epochs = [[line["epoch"] for line in _log(tmp_path / name)] for name in ("whole", "killed")]
    assert epochs[0] == epochs[1] == list(range(len(epochs[0])))
    assert len(epochs[0]) < 30
    assert all(torch.equal(a, b) for a, b in zip(_weights(whole), _weights(finished), strict=True))


@pytest.mark.parametrize("damaged", ["best.ckpt", "last.ckpt"])
@pytest.mark.parametrize("size", [None, 0, 1000], ids=["gone", "empty", "cut"])
def test_a_checkpoint_that_cannot_be_read_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], damaged: str, size: int | None
) -> None:
    world = worlds.cliques()[:2]

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr("colisten.gnn.training.save_model", killed)
        _train(world, tmp_path, max_epochs=1)
    (checkpoint,) = tmp_path.glob(f"checkpoints/*/{damaged}")
    if size is None:
        checkpoint.unlink()
    else:
        os.truncate(checkpoint, size)
    options = GnnSettings.model_validate(worlds.QUICK.model_dump() | {"max_epochs": 1})
    train_gnn(*world, options, seed=1, folder=tmp_path, progress=Progress())
    assert "begun anew" in capfd.readouterr().err
    assert [line["epoch"] for line in _log(tmp_path)] == [0]


def test_other_settings_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds.cliques()[:2]

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(EpochReport, "on_validation_end", killed)
        _train(world, tmp_path, max_epochs=2)
    _train(world, tmp_path, max_epochs=2, learning_rate=2e-2)
    assert [line["epoch"] for line in _log(tmp_path)] == [0, 1]


def test_a_graph_without_edges_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no edges"):
        _train((worlds.graph([], [0, 1]), np.ones((2, 4), np.float32)), tmp_path)


@pytest.mark.parametrize("edges", [[(0, 1)], [(0, 1), (1, 2), (2, 3)]])
@pytest.mark.parametrize("loss", ["margin", "softmax"])
def test_a_handful_of_edges_trains(tmp_path: Path, edges: list[tuple[int, int]], loss: str) -> None:
    world = worlds.graph(edges, [0, 1, 2, 0], ("audiobook", "podcast", "radio play")), np.eye(4, dtype=np.float32)
    _train(world, tmp_path, max_epochs=2, loss=loss)
    assert np.isfinite(embed_items(*world, tmp_path, QUIET)).all()


def test_a_saved_model_is_read_back_and_checked(tmp_path: Path) -> None:
    adjacency, text, _ = worlds.cliques()
    with pytest.raises(WorkdirError, match="no trained graph model"):
        load_model(tmp_path, adjacency)
    model = _train((adjacency, text), tmp_path, max_epochs=1)
    assert all(
        torch.equal(a, b) for a, b in zip(_weights(model), _weights(load_model(tmp_path, adjacency)[0]), strict=True)
    )
    with pytest.raises(WorkdirError, match="other item types"):
        load_model(tmp_path, worlds.graph([(0, 1)], [0, 0], ("audiobook",)))


def _trained_on(world: tuple[SnapshotAdjacency, Floats], folder: Path, lineage: str, **changes: object) -> float:
    """The loss of the first epoch."""
    options = GnnSettings.model_validate(worlds.QUICK.model_dump() | {"max_epochs": 4} | changes)
    train_gnn(*world, options, seed=1, folder=folder, progress=QUIET, lineage=lineage)
    return _log(folder)[0]["loss"]


@pytest.mark.slow
def test_the_next_day_goes_on_from_the_weights_of_the_day_before(tmp_path: Path) -> None:
    today, tomorrow = worlds.cliques(20)[:2], worlds.cliques(24)[:2]
    anew = _trained_on(tomorrow, tmp_path / "anew", "a")
    _trained_on(today, tmp_path / "daily", "a")
    assert _trained_on(tomorrow, tmp_path / "daily", "a", cache_mb=7, prefetch=1) < 0.7 * anew


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lineage", "changes"), [("b", {}), ("", {}), ("a", {"temperature": 0.2}), ("a", {"continued": False})]
)
def test_other_data_or_settings_begin_anew(tmp_path: Path, lineage: str, changes: dict[str, object]) -> None:
    world = worlds.cliques(20)[:2]
    _trained_on(world, tmp_path / "before", "a")
    gone_on = _trained_on(world, tmp_path / "before", lineage, **changes)
    assert gone_on == _trained_on(world, tmp_path / "never", lineage, **changes)


def test_isolated_seeds_lose_what_listening_alone_could_tell(tmp_path: Path) -> None:
    first = worlds.random_graph(80, 900, [0] * 40 + [1] * 40, worlds.TYPES)
    src = np.repeat(np.arange(80), np.diff(first.indptr)).astype(np.int32)
    once = src < first.items
    ends = src[once], first.items[once]
    both = SnapshotAdjacency.from_edges(
        np.tile(ends[0], 2), np.tile(ends[1], 2), np.tile(first.weights[once], 2), node_type=first.node_type,
        node_types=first.node_types, relation=np.repeat([0, 1], once.sum()).astype(np.uint8),
        relations=(CO_LISTENED, "same_mood"), version="1",
    )  # fmt: skip
    text = np.zeros((80, 4), np.float32)
    options = worlds.QUICK.model_copy(update={"isolated_node_rate": 0.99, "fan_out": (5,)})
    model = ModelSpec.of(options, both.node_types, both.relations, NodeFeatures(text, both.degrees).width, 1).build()
    training = GnnTraining(model, both, text, options, 1)
    batch = next(iter(training.training_stream([(0, training.edges_of(0))], 1)))
    messages = dict.fromkeys(both.relations, 0)
    for src_type, relation, dst_type in batch.graph.edge_types:
        messages[relation] += batch.graph[src_type, relation, dst_type].num_edges
    assert messages[CO_LISTENED] < 0.1 * messages["same_mood"]
    degrees = torch.cat([batch.graph[name].x[: batch.graph[name].num_sampled_nodes[0], 4:] for name in both.node_types])
    unheard = (degrees[:, :2] == 0).all(dim=1)
    assert unheard.float().mean() > 0.9
    assert (degrees[unheard, 2:] > 0).any(dim=1).float().mean() > 0.9
