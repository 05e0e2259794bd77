"""The search itself: trials one after the other until the time is over, kept so that the next call goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from colisten.arrays import Floats
from colisten.errors import ColistenError, DataError
from colisten.evaluation.baselines.tuning import validation_slice
from colisten.evaluation.full_model import FullModel
from colisten.evaluation.search.space import SPACE, changed
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.selection.ranking_task import within_one_standard_error
from colisten.workdir import replacing_file


@dataclass(frozen=True)
class SearchResult:
    """What the search came to."""

    values: dict[str, object]
    """`section.name` → value: the settings to change; none where the present ones are as good."""
    before: float
    """Mean of NDCG@10 and NDCG@100 on hidden listening with the present settings."""
    after: float
    """The same with the best trial's."""
    trials: int
    """Finished ones, those of earlier calls included."""


@dataclass(frozen=True)
class TrialRunner:
    """Trains settings on what is left of the data and says how well they find what was hidden of it."""

    data: ListeningData
    text: Floats
    folder: Path
    progress: Progress

    def ndcg(self, settings: Settings, name: str) -> Floats:
        """[asked users] mean of NDCG@10 and NDCG@100; kept under `name`, so that no training is done twice.

        Raises:
            DataError: there is too little listening to hide any.
        """
        kept = self.folder / f"{name}.npy"
        if not kept.exists():
            with validation_slice(self.data, settings) as part, TemporaryDirectory(dir=self.folder) as scratch:
                if part is None:
                    raise DataError(
                        "There is too little listening of the target type to hide some of it from a search."
                    )
                found = part.ndcg(FullModel(self.text, settings, Path(scratch), Progress(quiet=True)))
            with replacing_file(kept) as draft, draft.open("wb") as file:
                np.save(file, found)
        ndcg: Floats = np.load(kept)
        return ndcg


def search(
    data: ListeningData, text: Floats, settings: Settings, folder: Path, *, minutes: float, trials: int | None = None,
    progress: Progress,
) -> SearchResult:  # fmt: skip
    """Try settings on listening hidden from `data` until `minutes` are over or `trials` more are done.

    `folder` keeps what was tried: a search that was stopped goes on, as long as data and settings stay the same. A
    trial is the whole recipe, but for what a run would try by itself; one that is under way is finished. The best of
    many trials has been lucky, too: its settings are given back only if they beat the present ones again, with another
    seed and another hidden part.

    Raises:
        DataError: there is too little listening to hide any.
    """
    name, settings = _digest(data, settings), changed(settings, {"towers.minutes": 0.0})
    runner = TrialRunner(data, text, folder / name, progress)
    runner.folder.mkdir(parents=True, exist_ok=True)
    before = float(runner.ndcg(settings, "present").mean())
    study = _study(folder / "journal.jsonl", name, settings.seed)

    end, done = time.monotonic() + 60 * minutes, 0
    with progress.task("searching settings", total=trials) as task:
        while time.monotonic() < end and (trials is None or done < trials):
            task.advance(note=_try(study, runner, settings))
            done += 1
    return _found(study, runner, settings, before)


def _try(study: Study, runner: TrialRunner, settings: Settings) -> str:
    """One trial; what is worth saying of it."""
    trial = study.ask(dict(SPACE))
    try:
        ndcg = runner.ndcg(changed(settings, trial.params), f"trial-{trial.number}")
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


def _found(study: Study, runner: TrialRunner, settings: Settings, before: float) -> SearchResult:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not done:
        return SearchResult({}, before, before, 0)
    best = study.best_trial
    values = _confirmed(best, runner, settings) if study.best_value > before else {}
    return SearchResult(dict(values), before, study.best_value, len(done))


def _confirmed(best: FrozenTrial, runner: TrialRunner, settings: Settings) -> Mapping[str, object]:
    """The best trial's values, if they beat the present ones beyond their paired error under another seed.

    What trials were judged by is hidden from both, and so is another part of what was before it.
    """
    other = settings.model_copy(update={"seed": settings.seed + 1})
    with validation_slice(runner.data, settings) as part:
        assert part is not None, "trials have been judged by it"
        earlier = replace(runner, data=part.data)
        present = earlier.ndcg(other, "present-earlier")
        again = earlier.ndcg(changed(other, best.params), f"trial-{best.number}-earlier")
    return best.params if within_one_standard_error(np.stack([present, again])).tolist() == [False, True] else {}


def _digest(data: ListeningData, settings: Settings) -> str:
    """What must stay the same for a search to go on."""
    digest = hashlib.sha256(f"{version('colisten')} {sorted(SPACE)} {settings.model_dump_json()}".encode())
    for path in (data.interactions, data.root / "items.parquet", data.root / "users.parquet"):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
