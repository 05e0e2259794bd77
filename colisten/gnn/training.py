"""Training of the graph model: resumable from checkpoints, early stopping, best weights kept, warm start."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import nn

from colisten.arrays import Floats
from colisten.cores import check_devices, torch_threads
from colisten.distributed import Together, helpers
from colisten.errors import GraphError
from colisten.freed_memory import freed_memory_kept
from colisten.gnn.checkpoints import BEST, LAST, Patience, WholeCheckpoints, can_resume
from colisten.gnn.hgnn import HGNN
from colisten.gnn.lightning_environment import strategy
from colisten.gnn.lightning_module import GnnTraining
from colisten.gnn.model import ModelSpec
from colisten.gnn.model_files import load_model, origin_of, save_model
from colisten.gnn.model_source import source_digest
from colisten.gnn.node_features import NodeFeatures
from colisten.gnn.training_log import LOG, EpochReport
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.progress import Progress
from colisten.settings import GnnSettings
from colisten.tracking import Tracker

for _name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_WARM_START = 3
"""So many times fewer epochs than `gnn.max_epochs` are what a warm start takes at most: the days add up."""
_WHITENED = 20_000
"""Items whose features tell how features vary."""


def train_gnn(
    adjacency: Adjacency,
    text: Floats,
    options: GnnSettings,
    *,
    seed: int,
    folder: Path,
    progress: Progress,
    lineage: str = "",
    tracker: Tracker | None = None,
) -> nn.Module:
    """Train a graph model on the streamed graph and keep the best one in `folder`; `text` is float32 [items, width].

    Warm start: training begins with the weights of the model in `folder` if that was trained with the same settings
    on data of the same `lineage` (see `ListeningData`) and `options.continued`. Held-out edges are chosen by hash, so
    they are the same ones day by day. A run that was killed resumes after its last whole epoch if nothing that it
    depends on has changed, and is only finished if that epoch was its last. `folder/training.jsonl` has one line per
    epoch; a `tracker` gets the same.

    With `options.devices` > 1 as many processes train together (see `distributed`), and give the model that one gives,
    but for chance.

    Raises:
        GraphError: the graph has no edges.
        ColistenError: one of several processes ended before its time.
        SettingsError: the class that `options.model` names does not fit, or there are too few devices.
    """
    check_devices("gnn.devices", options.devices)
    if not adjacency.degrees.any():
        raise GraphError("The graph has no edges to learn from: lower graph.min_listeners, or add listening data.")
    origin = _origin(adjacency, text, options, seed, lineage) if lineage else ""
    features = NodeFeatures(text, adjacency.degrees)
    spec = ModelSpec.of(options, adjacency.node_types, adjacency.relations, features.width, seed)
    model = spec.build()
    if options.continued and origin and origin == origin_of(folder):
        progress.say("  warm start from the weights of the last training")
        model.load_state_dict(load_model(folder, adjacency)[0].state_dict())
        options = options.model_copy(update={"max_epochs": -(-options.max_epochs // _WARM_START)})
    elif options.whitening and isinstance(model, HGNN):
        model.project.fit(torch.from_numpy(features.sample(_WHITENED)), options.whitening)
    all_checkpoints = folder / "checkpoints"
    checkpoints = all_checkpoints / _fingerprint(adjacency, text, options, seed, all_checkpoints)
    if all_checkpoints.exists() and not can_resume(checkpoints):
        progress.say("  what a killed training left is damaged, or of other data or settings: begun anew")
        shutil.rmtree(all_checkpoints)
    training = GnnTraining(model, adjacency, text, options, seed)
    with torch_threads(options.devices), freed_memory_kept():
        best, log = _fit(training, spec, text, checkpoints, progress, tracker)
    training.load_state_dict(torch.load(best, weights_only=True)["state_dict"])
    save_model(model, spec, folder, origin)
    log.replace(folder / LOG)
    shutil.rmtree(all_checkpoints)
    return model.eval()


def _origin(adjacency: Adjacency, text: Floats, options: GnnSettings, seed: int, lineage: str) -> str:
    """What a model must have been made from, data aside, for a warm start from its weights."""
    made_from = [lineage, adjacency.node_types, adjacency.relations, text.shape[1], _options(options), seed]
    return hashlib.blake2b(json.dumps(made_from).encode(), digest_size=16).hexdigest()


def _fingerprint(adjacency: Adjacency, text: Floats, options: GnnSettings, seed: int, folder: Path) -> str:
    """What a checkpoint must have been made from to be resumed; Lightning's are of a version and of a place."""
    where = [version("lightning"), str(folder.resolve())]
    made_from = [adjacency.version, adjacency.node_types, adjacency.relations, _options(options), seed, where]
    digest = hashlib.blake2b(json.dumps(made_from).encode(), digest_size=16)
    for array in (adjacency.node_type, text):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _options(options: GnnSettings) -> object:
    """Those that a model depends on."""
    return options.model_dump(mode="json", exclude={"cache_mb", "prefetch"}), source_digest(options.model)


def _fit(
    training: GnnTraining, spec: ModelSpec, text: Floats, checkpoints: Path, progress: Progress, tracker: Tracker | None
) -> tuple[Path, Path]:
    """Run Lightning; gives the checkpoint of the best epoch, and the log of all."""
    options, log = training.options, checkpoints / LOG
    checkpoints.mkdir(parents=True, exist_ok=True)
    with progress.task("training the graph model", total=options.max_epochs) as task:
        report = EpochReport(log, task)
        if options.devices == 1:
            return _run(training, checkpoints, None, tracker, report), log
        np.save(checkpoints / "text.npy", text)
        given = (spec, training.sampler.adjacency, options, training.random_seed, checkpoints)
        with helpers(options.devices, _helper, *given) as together:
            return _run(training, checkpoints, together, tracker, report), log


def _helper(
    together: Together, spec: ModelSpec, adjacency: Adjacency, options: GnnSettings, seed: int, checkpoints: Path
) -> None:
    """The same training in another process, on its share of the batches; weights come from rank 0."""
    text = np.load(checkpoints / "text.npy", mmap_mode="r")
    training = GnnTraining(spec.build(), adjacency, text, options, seed, rank=together.rank)
    with torch_threads(options.devices), freed_memory_kept(), adjacency:
        _run(training, checkpoints, together)


def _run(
    training: GnnTraining, checkpoints: Path, together: Together | None, tracker: Tracker | None = None,
    *more: Callback,
) -> Path:  # fmt: skip
    options, last = training.options, checkpoints / f"{LAST}.ckpt"
    watched = "validation" if len(training.held_out_edges[0]) else "loss"
    best = ModelCheckpoint(checkpoints, BEST, monitor=watched, enable_version_counter=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = Trainer(
            accelerator="gpu" if torch.cuda.is_available() else "cpu",
            devices=options.devices,
            strategy=strategy(together) if together else "auto",
            max_epochs=options.max_epochs,
            num_sanity_val_steps=0,
            callbacks=[
                best,
                ModelCheckpoint(checkpoints, LAST, save_on_train_epoch_end=True, enable_version_counter=False),
                Patience(watched, patience=options.patience),
                *more,
            ],
            plugins=[WholeCheckpoints()],
            logger=tracker or False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        try:
            trainer.fit(training, ckpt_path=last if last.exists() else None, weights_only=True)
        finally:
            training.close()
    return Path(best.best_model_path)
