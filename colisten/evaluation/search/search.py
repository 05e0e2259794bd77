"""Hyper-parameter search with Optuna: trials one after the other, kept so that the next call resumes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from colisten.arrays import Floats
from colisten.errors import ColistenError, DataError
from colisten.evaluation.baselines.validation_slice import validation_slice
from colisten.evaluation.full_model import FullModel
from colisten.evaluation.search.space import SPACE, with_values
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.selection.ranking_task import within_one_standard_error
from colisten.workdir import draft_folder, replacing_file


@dataclass(frozen=True)
class SearchResult:
    """What a search has found."""

    values: dict[str, object]
    """`section.name` → value: the settings to change; empty where the present ones are as good."""
    before: float
    """Validation NDCG (mean of NDCG@10 and NDCG@100) of the present settings."""
    after: float
    """Validation NDCG of the best trial."""
    trials: int
    """Number of finished trials, those of earlier calls included."""


@dataclass(frozen=True)
class TrialRunner:
    """Trains the full model with given settings and validates it, once per name."""

    data: ListeningData
    text: Floats
    folder: Path
    progress: Progress

    def ndcg(self, settings: Settings, name: str) -> Floats:
        """Mean of NDCG@10 and NDCG@100 of each validation user, float32 [users]; stored under `name`.

        Raises:
            DataError: there is too little listening to hide any.
        """
        path = self.folder / f"{name}.npy"
        if not path.exists():
            with validation_slice(self.data, settings) as validation, draft_folder(self.folder, name) as scratch:
                if validation is None:
                    raise DataError(
                        "There is too little listening of the target type to hide some of it from a search."
                    )
                found = validation.ndcg(FullModel(self.text, settings, scratch, Progress(quiet=True)))
            with replacing_file(path) as draft, draft.open("wb") as file:
                np.save(file, found)
        ndcg: Floats = np.load(path)
        return ndcg


def search(
    data: ListeningData, text: Floats, settings: Settings, folder: Path, *, minutes: float, trials: int | None = None,
    progress: Progress,
) -> SearchResult:  # fmt: skip
    """Run trials (TPE) on a validation slice of `data` until `minutes` are over or `trials` more are done.

    `folder` keeps the trials: a search that was stopped resumes, as long as data and settings stay the same. A trial
    trains the full model, without the model selection that `towers.minutes` pays for; one that has begun is finished.
    The best of many trials is partly luck: its settings are returned only if they are better again, under another seed
    and on an earlier validation slice.

    Raises:
        DataError: there is too little listening to hide any.
    """
    name, settings = _study_name(data, settings), with_values(settings, {"towers.minutes": 0.0})
    runner = TrialRunner(data, text, folder / name, progress)
    runner.folder.mkdir(parents=True, exist_ok=True)
    before = float(runner.ndcg(settings, "present").mean())
    study = _study(folder / "journal.jsonl", name, settings.seed)

    end, done = time.monotonic() + 60 * minutes, 0
    with progress.task("searching settings", total=trials) as task:
        while time.monotonic() < end and (trials is None or done < trials):
            task.advance(note=_run_trial(study, runner, settings))
            done += 1
    return _result(study, runner, settings, before)


def _run_trial(study: Study, runner: TrialRunner, settings: Settings) -> str:
    """One trial; returns a note on its outcome."""
    trial = study.ask(dict(SPACE))
    try:
        ndcg = runner.ndcg(with_values(settings, trial.params), f"trial-{trial.number}")
    except ColistenError as error:
        study.tell(trial, state=TrialState.FAIL)
        return str(error)
    study.tell(trial, float(ndcg.mean()))
    return f"{ndcg.mean():.4f}, best {study.best_value:.4f}"


def _study(journal: Path, name: str, seed: int) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    return study


def _result(study: Study, runner: TrialRunner, settings: Settings, before: float) -> SearchResult:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return SearchResult({}, before, before, 0)
    best = study.best_trial
    values = _confirmed(best, runner, settings) if study.best_value > before else {}
    return SearchResult(dict(values), before, study.best_value, len(complete))


def _confirmed(best: FrozenTrial, runner: TrialRunner, settings: Settings) -> Mapping[str, object]:
    """The best trial's values, if they beat the present ones by more than the paired standard error once more.

    Both are trained under another seed on what the trials were trained on, less a validation slice of that.
    """
    other = settings.model_copy(update={"seed": settings.seed + 1})
    with validation_slice(runner.data, settings) as validation:
        assert validation is not None, "trials have been validated on it"
        earlier = replace(runner, data=validation.data)
        present = earlier.ndcg(other, "present-earlier")
        again = earlier.ndcg(with_values(other, best.params), f"trial-{best.number}-earlier")
    return best.params if within_one_standard_error(np.stack([present, again])).tolist() == [False, True] else {}


def _study_name(data: ListeningData, settings: Settings) -> str:
    """A hash of all that trials have in common: a search resumes the study of the same name."""
    parts = f"{version('colisten')} {sorted(SPACE)} {settings.model_dump_json()} {data.digest()}"
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
