"""The answer of an experiment's group to one user, and what is to be logged of it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace

import numpy as np

from colisten.arrays import Floats64
from colisten.listening.histories import UserHistories
from colisten.serving.experiment.arms import Arm
from colisten.serving.experiment.exposures import Exposure
from colisten.serving.experiment.groups import Experiment
from colisten.serving.experiment.slots import draw_slots, propensities
from colisten.serving.query import Query
from colisten.serving.recommending import Recommendations, Recommender


@dataclass(frozen=True)
class Participant:
    """A user who takes part in an experiment, at one request."""

    experiment: Experiment
    group: str
    user_id: str
    request_id: str
    """The same one again draws the same slots."""

    @property
    def arm(self) -> Arm:
        """How the group is answered."""
        return self.experiment.arm(self.group)

    def answer(
        self, recommender: Recommender, history: UserHistories, query: Query
    ) -> tuple[Recommendations, Exposure]:
        """Recommend as the group is answered.

        Args:
            recommender: of the arm's index.
            history: the user's.
            query: what the request asks for.

        Raises:
            SettingsError: the query names a type, language or genre that no item has.
        """
        now = int(time.time())
        asked = replace(self.arm.query(query), at=now)  # one moment for both searches
        answer, chances = recommender.answer(history, asked, self.user_id), None
        quotas = any(quota.least for quota in asked.types)  # of the request: a slot filled at random could break them
        if self.arm.epsilon and len(answer.items) and not quotas:
            pool = recommender.answer(history, replace(asked, k=max(query.k, self.arm.pool)), self.user_id)
            answer, chances = self._explored(answer, pool)
        return answer, self._exposure(answer, chances, recommender.collection.name, now)

    def _explored(self, answer: Recommendations, pool: Recommendations) -> tuple[Recommendations, Floats64]:
        """The answer with some slots filled from the pool, and its propensities."""
        shown = {item.item for item in answer.items}
        further = [place for place, item in enumerate(pool.items) if item.item not in shown]
        items = [*answer.items, *(pool.items[place] for place in further)]
        scores = np.concatenate([answer.scores, pool.scores[further]])
        k, size, epsilon = len(answer.items), len(items), self.arm.epsilon
        slots = draw_slots(1, k, size, epsilon, self._rng())
        places = slots[0].tolist()
        explored = replace(answer, items=[items[place] for place in places], scores=scores[places])
        return explored, propensities(slots, size, epsilon)[0]

    def _rng(self) -> np.random.Generator:
        words = "\0".join((self.experiment.salt, self.user_id, self.request_id))
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(words.encode(), digest_size=16).digest(), "big"))

    def _exposure(self, answer: Recommendations, chances: Floats64 | None, index: str, at: int) -> Exposure:
        return Exposure(
            self.user_id, self.experiment.name, self.request_id, self.group, at, index,
            [item.item_id for item in answer.items], [item.item_type for item in answer.items],
            [1.0] * len(answer.items) if chances is None else chances.tolist(),
        )  # fmt: skip
