"""Training of the HGNN from beginning to end: resumed where it was killed, stopped early, best weights kept."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from colisten.arrays import Floats
from colisten.cores import half_the_cores
from colisten.errors import GraphError
from colisten.gnn.hgnn import HGNN, Shape
from colisten.gnn.lightning_module import GnnTraining
from colisten.gnn.model_files import load_model, origin_of, save_model
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.training_log import EpochReport
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.progress import Progress
from colisten.settings import GnnSettings

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def train_gnn(
    adjacency: Adjacency,
    text: Floats,
    options: GnnSettings,
    *,
    seed: int,
    folder: Path,
    progress: Progress,
    lineage: str = "",
) -> HGNN:
    """Train on the streamed graph and save the best model in `folder`; `text` is float32 [items, width].

    Begins with the weights of the model that is there if that was trained with the same settings on data of the same
    `lineage` (see `ListeningData`) and `options.continued`; which edges are held out is told by hash, so that they are
    the same ones day by day. A run that was killed goes on after its last whole epoch if nothing that it depends on has
    changed.
    `folder/training.jsonl` has one line per epoch.

    Raises:
        GraphError: the graph has no edges.
    """
    if not adjacency.degrees.any():
        raise GraphError("The graph has no edges to learn from: lower graph.min_listeners, or add listening data.")
    origin = _origin(adjacency, text, options, seed, lineage) if lineage else ""
    model = _new_model(adjacency, text, options, seed)
    if options.continued and origin and origin == origin_of(folder):
        progress.say("  going on from the weights of the last training")
        model.load_state_dict(load_model(folder, adjacency.node_types).state_dict())
    training = GnnTraining(model, adjacency, text, options, seed)
    checkpoints = folder / "checkpoints" / _fingerprint(adjacency, text, options, seed)
    with half_the_cores():
        best = _fit(training, checkpoints, folder / "training.jsonl", progress)
    training.load_state_dict(torch.load(best, weights_only=True)["state_dict"])
    save_model(model, folder, adjacency.node_types, origin)
    shutil.rmtree(checkpoints.parent)
    return model.eval()


def _new_model(adjacency: Adjacency, text: Floats, options: GnnSettings, seed: int) -> HGNN:
    width = NodeFeatures(text, adjacency.degrees).width
    shape = Shape(width, len(adjacency.node_types), options.dim, len(options.fan_out), options.aggregate)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return HGNN(shape)


def _origin(adjacency: Adjacency, text: Floats, options: GnnSettings, seed: int, lineage: str) -> str:
    """What a model must have been made from, data aside, for its weights to be gone on with."""
    made_from = [lineage, adjacency.node_types, text.shape[1], options.model_dump(mode="json"), seed]
    return hashlib.blake2b(json.dumps(made_from).encode(), digest_size=16).hexdigest()


def _fingerprint(adjacency: Adjacency, text: Floats, options: GnnSettings, seed: int) -> str:
    """What a checkpoint must have been made from to be gone on with."""
    made_from = [adjacency.version, adjacency.node_types, options.model_dump(mode="json"), seed]
    digest = hashlib.blake2b(json.dumps(made_from).encode(), digest_size=16)
    for array in (adjacency.node_type, text):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _fit(training: GnnTraining, checkpoints: Path, log: Path, progress: Progress) -> Path:
    """Run Lightning; gives the checkpoint of the best epoch."""
    options = training.options
    last = checkpoints / "last.ckpt"
    if not last.exists():
        shutil.rmtree(checkpoints.parent, ignore_errors=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
    watched = "validation" if len(training.held_out_edges[0]) else "loss"
    best = ModelCheckpoint(checkpoints, "best", monitor=watched, enable_version_counter=False)
    with progress.task("training the graph model", total=options.max_epochs) as task, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = Trainer(
            accelerator="gpu" if torch.cuda.is_available() else "cpu",
            devices=1,
            max_epochs=options.max_epochs,
            num_sanity_val_steps=0,
            callbacks=[
                best,
                ModelCheckpoint(checkpoints, "last", save_on_train_epoch_end=True, enable_version_counter=False),
                EarlyStopping(watched, patience=options.patience),
                EpochReport(log, task),
            ],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(training, ckpt_path=last if last.exists() else None, weights_only=True)
    return Path(best.best_model_path)
