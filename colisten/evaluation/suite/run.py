"""The paper's comparison: all variants trained under several seeds, seeds side by side."""

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
from colisten.evaluation.suite.run_results import RUNS, RunResult, is_finished, run_result
from colisten.evaluation.suite.shared_artefacts import SharedArtefacts
from colisten.evaluation.suite.variants import VARIANTS
from colisten.listening.data import ListeningData
from colisten.progress import Progress, Task
from colisten.settings import Settings
from colisten.text.encoding import load_text
from colisten.workdir import Workdir, file_digest

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class _Suite:
    """Everything that a process needs to train the variants under some seed."""

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
    def runs(self) -> list[tuple[str, int]]:
        """Variant and seed of every run."""
        return [(one.name, seed) for one in VARIANTS for seed in (self.seeds if one.seeded else self.seeds[:1])]

    def is_finished(self, seed: int) -> bool:
        """Are the results of all runs under this seed there?"""
        return all(is_finished(self.folder, name, seed) for name, of in self.runs if of == seed)

    def artefacts(self, progress: Progress) -> SharedArtefacts:
        text = load_text(self.workdir.features)
        return SharedArtefacts(ListeningData(self.workdir.listening), text, self.settings, self.folder, progress)

    def results(self, artefacts: SharedArtefacts, held_out: HeldOutStreams, seed: int) -> dict[str, RunResult]:
        """The results of all runs under one seed, by variant; what is missing is trained."""
        variants = [one for one in VARIANTS if (one.name, seed) in self.runs]
        return {one.name: run_result(one, artefacts, held_out, seed, self.k) for one in variants}


def paper_suite(workdir: Workdir, split: Path, settings: Settings, k: int, progress: Progress) -> Comparison:
    """Train all variants under `evaluation.seeds` seeds and compare them on the held-out streams of the target type.

    `workdir` has read the split's train part and encoded its texts. Seeds are trained side by side, one processor core
    each. Finished runs are kept in `workdir` and are not repeated for the same settings and data.

    Raises:
        DataError: the split cannot be read, or the working folder has learned from its held-out streams.
        SettingsError: the target is not what the split holds out.
    """
    data, (held_out, *_) = ListeningData(workdir.listening), read_held_out(split)
    if held_out.item_type != settings.target:
        raise SettingsError(
            f"The split holds out streams of {held_out.item_type!r}, the target is {settings.target!r}: "
            f"add --set target={held_out.item_type}."
        )
    check_no_leaks(data, [held_out])
    suite = _Suite(workdir, split, settings, k, workdir.suite / _digest(data, split, settings, k))
    artefacts = suite.artefacts(progress)
    with progress.task("training the paper's models", total=len(suite.runs)) as task:
        artefacts.prepare()
        missing = [seed for seed in suite.seeds if not suite.is_finished(seed)]
        if len(missing) > 1:
            _train_side_by_side(suite, missing, task)
        per_seed = [suite.results(artefacts, held_out, seed) for seed in suite.seeds]
    results = {one.name: [found[one.name] for found in per_seed if one.name in found] for one in VARIANTS}
    return compare(results, held_out.item_type, k, settings.seed)


def _train_side_by_side(suite: _Suite, seeds: Sequence[int], task: Task) -> None:
    """Train everything under these seeds, one process each; the results are in the suite's folder."""
    workers = min(len(seeds), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        pending: set[Future[None]] = {pool.submit(_train, suite, seed) for seed in seeds}
        done = 0
        while pending:
            finished, pending = wait(pending, timeout=_POLL_SECONDS)
            results = len(list((suite.folder / RUNS).glob("*.json")))
            task.advance(results - done)
            done = results
            for one in finished:
                one.result()


def _train(suite: _Suite, seed: int) -> None:
    (held_out, *_) = read_held_out(suite.split)
    suite.results(suite.artefacts(Progress(quiet=True)), held_out, seed)


def _digest(data: ListeningData, split: Path, settings: Settings, k: int) -> str:
    """A hash of all that the runs have in common."""
    sections = [getattr(settings, name).model_dump_json() for name in ("signals", "graph", "gnn", "towers", "text")]
    test = file_digest(split / "test.parquet")
    parts = [version("colisten"), settings.target, str(k), *sections, data.digest(), test]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
