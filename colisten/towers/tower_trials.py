"""The two towers as validation likes them: the epoch, the temperature, other types' pairs, listening of late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from time import monotonic

import numpy as np

from colisten.arrays import Floats
from colisten.progress import Progress
from colisten.settings import Settings, Towers
from colisten.towers.climbing import Climb
from colisten.towers.data import Material
from colisten.towers.holdout import HoldOut
from colisten.towers.ranking import Scores, Task
from colisten.towers.training import Training, Way

FINISHING_EPOCHS, FINISHING_PACE = 2, 0.3
"""After validation the towers go on over all data, at a slower pace, instead of starting anew."""
CHANGES = (
    ("temperature", 0.07),
    ("other_types", 3.0),
    ("temperature", 0.05),
    ("temperature", 0.14),
    ("other_types", 0.0),
)
"""What is tried instead of the usual, the most promising first."""


@dataclass(frozen=True)
class Rehearsed:
    """Towers trained on the kept part of the data, at their best epoch."""

    run: Training
    gains: Floats
    """[asked users]"""


@dataclass(frozen=True)
class TowerTrials:
    """Trains towers on the kept part of the data."""

    material: Material
    held: HoldOut
    task: Task
    settings: Settings
    progress: Progress

    def choose(self, half_life: int, climb: Climb) -> tuple[Training, Scores]:
        """The best; where popularity passes by `half_life` days, perhaps after epochs on what was heard lately."""
        began = monotonic()
        start = self._rehearse(usual_way(self.settings.towers))
        found = climb.best(start, monotonic() - began, self._changes())
        if half_life:
            fresh = self.material.training_set(self.held.kept, self.settings, found.run.data.way, half_life)
            model = deepcopy(found.run.model)
            late = Training(fresh, self.settings.seed, FINISHING_EPOCHS, model=model, pace=FINISHING_PACE)
            finished = self._train(late, FINISHING_EPOCHS)
            if finished.gains.mean() > found.gains.mean():
                found = finished
        return found.run, self._scores(found.run)

    def _changes(self) -> Iterator[tuple[str, Callable[[Rehearsed], Rehearsed]]]:
        """Of what nobody has set."""
        one_type = bool(self.material.is_target.all())
        for name, value in CHANGES:
            if getattr(self.settings.towers, name) is None and not (one_type and name == "other_types"):
                yield f"{name} {value:g}", partial(self._otherwise, name, value)

    def _otherwise(self, name: str, value: float, best: Rehearsed) -> Rehearsed:
        return self._rehearse(replace(best.run.data.way, **{name: value}))

    def _rehearse(self, way: Way) -> Rehearsed:
        data = self.material.training_set(self.held.kept, self.settings, way)
        epochs = self.settings.towers.epochs
        return self._train(Training(data, self.settings.seed, epochs), epochs)

    def _train(self, run: Training, epochs: int) -> Rehearsed:
        """Train, and go back to the epoch that validation liked best."""
        best, kept = np.full(len(self.task), -1, np.float32), run.model.state_dict()
        for epoch in range(1, epochs + 1):
            run.epoch(self.progress, f"training the towers, epoch {epoch} of {epochs}")
            gains = self.task.gains(self._scores(run))
            if gains.mean() > best.mean():
                best, kept = gains, {name: value.clone() for name, value in run.model.state_dict().items()}
        run.model.load_state_dict(kept)
        return Rehearsed(run, best)

    @cached_property
    def _asked(self) -> Floats:
        """[asked users, width] their features."""
        features = self.material.training_set(self.held.kept, self.settings, Way()).features
        return features.encode(self.held.kept.take(self.held.users))

    def _scores(self, run: Training) -> Scores:
        users, items = run.user_vectors(self._asked), run.item_vectors(self.task.candidates)
        return lambda some: users[some] @ items.T


def usual_way(options: Towers) -> Way:
    """What is set, and the usual where nothing is."""
    given = {"temperature": options.temperature, "other_types": options.other_types}
    return replace(Way(), **{name: value for name, value in given.items() if value is not None})
