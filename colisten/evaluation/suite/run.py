"""What `colisten evaluate --suite paper` does."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import torch

from colisten.errors import SettingsError
from colisten.evaluation.held_out_streams import HeldOutStreams, check_no_leaks, read_held_out
from colisten.evaluation.suite.comparison import Comparison, compare
from colisten.evaluation.suite.run_results import RunResult, is_kept, run_result
from colisten.evaluation.suite.shared_artefacts import SharedArtefacts
from colisten.evaluation.suite.variants import VARIANTS
from colisten.listening.data import ListeningData
from colisten.progress import Progress, Task
from colisten.settings import Settings
from colisten.text.encoding import load_text
from colisten.workdir import Workdir

_SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class _Suite:
    """What a process needs to know to train the models of some seed."""

    workdir: Workdir
    split: Path
    settings: Settings
    k: int
    folder: Path

    @property
    def seeds(self) -> list[int]:
        first = self.settings.seed
        return list(range(first, first + self.settings.evaluation.seeds))

    @property
    def asked(self) -> list[tuple[str, int]]:
        """Variant and seed of every cell."""
        return [(one.name, seed) for one in VARIANTS for seed in (self.seeds if one.seeded else self.seeds[:1])]

    def made(self, seed: int) -> bool:
        """Are all cells of a seed there?"""
        return all(is_kept(self.folder, name, seed) for name, of in self.asked if of == seed)

    def artefacts(self, progress: Progress) -> SharedArtefacts:
        text = load_text(self.workdir.features)
        return SharedArtefacts(ListeningData(self.workdir.listening), text, self.settings, self.folder, progress)

    def results(self, artefacts: SharedArtefacts, held_out: HeldOutStreams, seed: int) -> dict[str, RunResult]:
        """All cells of one seed, found or made."""
        variants = [one for one in VARIANTS if (one.name, seed) in self.asked]
        return {one.name: run_result(one, artefacts, held_out, seed, self.k) for one in variants}


def paper_suite(workdir: Workdir, split: Path, settings: Settings, k: int, progress: Progress) -> Comparison:
    """Train and judge all variants under `evaluation.seeds` seeds on the held-out streams of the target type.

    `workdir` has read the split's train part and encoded its texts. Seeds are trained side by side, one processor core
    each. Each finished cell is kept in `workdir`: one made with the same settings from the same data is not made again.

    Raises:
        DataError: the split cannot be read, or the working folder has learned from what it hides.
        SettingsError: the target is not what the split hides.
    """
    data, (held_out, *_) = ListeningData(workdir.listening), read_held_out(split)
    if held_out.item_type != settings.target:
        raise SettingsError(
            f"The split hides streams of {held_out.item_type!r}, the target is {settings.target!r}: "
            f"add --set target={held_out.item_type}."
        )
    check_no_leaks(data, [held_out])
    suite = _Suite(workdir, split, settings, k, workdir.suite / _digest(data, split, settings, k))
    artefacts = suite.artefacts(progress)
    with progress.task("training the paper's models", total=len(suite.asked)) as task:
        artefacts.prepare()
        missing = [seed for seed in suite.seeds if not suite.made(seed)]
        if len(missing) > 1:
            _train_side_by_side(suite, missing, task)
        per_seed = [suite.results(artefacts, held_out, seed) for seed in suite.seeds]
    results = {one.name: [found[one.name] for found in per_seed if one.name in found] for one in VARIANTS}
    return compare(results, held_out.item_type, k, settings.seed)


def _train_side_by_side(suite: _Suite, seeds: Sequence[int], task: Task) -> None:
    """Leave every cell of these seeds in the suite's folder."""
    workers = min(len(seeds), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        pending: set[Future[None]] = {pool.submit(_train, suite, seed) for seed in seeds}
        seen = 0
        while pending:
            finished, pending = wait(pending, timeout=_SECONDS_BETWEEN_LOOKS)
            kept = len(list(suite.folder.glob("cells/*.json")))
            task.advance(kept - seen)
            seen = kept
            for one in finished:
                one.result()


def _train(suite: _Suite, seed: int) -> None:
    (held_out, *_) = read_held_out(suite.split)
    suite.results(suite.artefacts(Progress(quiet=True)), held_out, seed)


def _digest(data: ListeningData, split: Path, settings: Settings, k: int) -> str:
    """What all cells depend on but for variant and seed."""
    parts = [getattr(settings, name).model_dump_json() for name in ("signals", "graph", "gnn", "towers", "text")]
    digest = hashlib.sha256(" ".join([version("colisten"), settings.target, str(k), *parts]).encode())
    for path in (data.interactions, data.root / "items.parquet", data.root / "users.parquet", split / "test.parquet"):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
