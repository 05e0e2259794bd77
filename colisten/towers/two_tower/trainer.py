"""Training of the two towers on (user, streamed item) pairs; its cost grows with their number alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from colisten.arrays import Bools, Floats, Int64s
from colisten.errors import SettingsError
from colisten.listening.histories import UserHistories
from colisten.listening.pairs import UserItemPairs
from colisten.progress import Progress
from colisten.ragged import distinct
from colisten.settings import TowersSettings
from colisten.towers.features.user_features import UserFeatures
from colisten.towers.half_precision import rounded
from colisten.towers.two_tower.examples import UserExamples
from colisten.towers.two_tower.model import TwoTowers, in_batch_loss
from colisten.towers.two_tower.pair_draws import PairDraws
from colisten.towers.two_tower.replicas import ALONE, Replicas

COLD_DRAWS = 0.1
"""Share of draws that forget the user's target-type history, so that the tower learns to do without."""
NOBODY_DRAWS = 0.05
"""Share of draws whose user features are all unknown, for users without any history."""
HIDDEN_DRAWS = 0.2
"""Share of draws whose item shows no graph embedding, like one that nobody has streamed (DropoutNet, NIPS 2017)."""
_EVENT_BYTES = 64
"""Of an event in a history that is held, beside the sums of its bags."""


@dataclass(frozen=True)
class TrainingOptions:
    """Training options that are selected per data set."""

    temperature: float = 0.1
    """Of the softmax."""
    other_types: float = 1.0
    """Pairs of the other item types for each pair of the target type."""
    history_half_life: float = 0.0
    """Days after which an item counts half in the mean of its bag; 0: all count alike."""


@dataclass(frozen=True)
class TrainingSet:
    """Training set of the two towers; those that differ in options alone share the examples."""

    examples: UserExamples
    item_features: Floats
    """[items, width]"""
    graph_width: int
    """The first columns of the item features that are hidden of an item without streams."""
    is_target: Bools
    """[items]"""
    settings: TowersSettings
    training_options: TrainingOptions
    half_life: int = 0
    """Days after which listening is drawn half as often; 0: never less."""

    def with_options(self, training_options: TrainingOptions) -> TrainingSet:
        """The same with other options."""
        examples, bags = self.examples, self.features.bags
        if training_options.history_half_life != bags.half_life:
            faded = replace(bags, half_life=training_options.history_half_life)
            examples = replace(examples, features=replace(self.features, bags=faded))
        return replace(self, examples=examples, training_options=training_options)

    @property
    def features(self) -> UserFeatures:
        return self.examples.features

    @property
    def histories(self) -> UserHistories:
        return self.examples.histories

    @property
    def popularity(self) -> Int64s:
        """[items] people who streamed each."""
        return self.examples.popularity

    @cached_property
    def pair_draws(self) -> PairDraws:
        """What an epoch draws."""
        return PairDraws(
            self.histories, self.features.bags.strong, self.is_target, self.popularity,
            self.training_options.other_types, self.half_life, self.settings.pairs_per_epoch,
        )  # fmt: skip

    @property
    def draws(self) -> int:
        """Pairs of an epoch, about."""
        return round(float(self.pair_draws.expected.sum()))

    @cached_property
    def log_q(self) -> Floats:
        """[items] log of the share of draws that are of this item."""
        draws = self.pair_draws.expected
        log_q: Floats = np.log(np.maximum(draws, 1e-9) / max(draws.sum(), 1e-9)).astype(np.float32)
        return log_q

    def item_inputs(self, items: Int64s, hidden: Bools, own: int) -> Floats:
        """Features of items and one more, [n, width + 1].

        Beside demand, the `hidden` [n] show no graph embedding, and the last feature says which they are. Towers that
        are corrected for how often an item is drawn see the logarithm of popularity instead, in which `own` listeners
        (the label's) are not counted: they have to know by themselves what is popular.
        """
        popularity = np.log1p(np.maximum(self.popularity[items] - own, 0))
        last = popularity if self.settings.corrected else hidden
        features = np.concatenate([self.item_features[items], last[:, None]], axis=1, dtype=np.float32)
        if not self.settings.corrected:
            features[hidden, : self.graph_width] = 0
        return features

    def shards(self, pairs: UserItemPairs) -> Iterator[tuple[UserExamples, UserItemPairs]]:
        """The users of some pairs, ordered by user, in groups whose histories fit `cache_mb`, each with its pairs."""
        bags, held = self.features.bags.count * self.features.content.shape[1] * 4, self.settings.cache_mb << 20
        if bags * len(self.histories) + _EVENT_BYTES * len(self.histories.items) <= held:
            yield self.examples, pairs
            return
        users = distinct(pairs.users)
        cost = np.cumsum(bags + _EVENT_BYTES * (self.histories.indptr[users + 1] - self.histories.indptr[users]))
        for some in np.split(users, np.flatnonzero(np.diff(cost // held)) + 1):
            mine = pairs.where((pairs.users >= some[0]) & (pairs.users <= some[-1]))
            examples = replace(self.examples, histories=self.histories.take(some))
            yield examples, UserItemPairs(np.searchsorted(some, mine.users), mine.items)


@dataclass(frozen=True)
class TrainingRun:
    """What rank 0 tells its replicas to train; weights follow."""

    data: TrainingSet
    seed: int
    epochs: int
    rate_scale: float


EPOCH = "epoch"
"""What it tells them then, once for each."""


class TwoTowerTrainer:
    """Trainer of `epochs` epochs with a cosine schedule; call `epoch` once for each.

    Where there are several `replicas`, the others follow the trainer that was made last.
    """

    def __init__(
        self, data: TrainingSet, seed: int, epochs: int, *, model: TwoTowers | None = None, rate_scale: float = 1.0,
        replicas: Replicas = ALONE,
    ) -> None:  # fmt: skip
        replicas.tell(TrainingRun(data, seed, epochs, rate_scale))
        self.data, self.replicas = data, replicas
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        s = data.settings
        item_width = data.item_features.shape[1] + 1
        self.device = training_device(s.device)
        self.model = model or TwoTowers(data.features.width, item_width, s.hidden, s.dim, s.dropout)
        self.model.to(self.device)
        self._mixed = s.precision == "bf16-mixed"
        rate = s.learning_rate * rate_scale
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=0.01, fused=True)
        self._last_step = max(1, data.draws // s.batch_size * epochs)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, rate, self._last_step + 1)
        replicas.synchronise(self.model)
        if replicas.rank:
            torch.manual_seed(seed + replicas.rank)  # other rows, other dropout

    def epoch(self, progress: Progress, title: str) -> float:
        """Pairs drawn by their chance (a target pair once), in random batches; returns their mean loss."""
        self.replicas.tell(EPOCH)
        self.model.train()
        losses, drawn = 0.0, 0
        with progress.task(title, self.data.draws) as task:
            for examples, pairs in self.data.shards(self.data.pair_draws.draw(self.rng)):
                order = self.rng.permutation(len(pairs))
                for first in range(0, len(order), self.data.settings.batch_size):
                    batch = pairs.where(order[first : first + self.data.settings.batch_size])
                    loss = self._step(examples, batch)
                    losses, drawn = losses + loss * len(batch), drawn + len(batch)
                    task.advance(len(batch), f"loss {loss:.3f}")
        return losses / max(1, drawn)

    def _step(self, examples: UserExamples, pairs: UserItemPairs) -> float:
        loss = self.loss(examples, pairs)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        total = self.replicas.add_up(loss, self.model)
        self.optimizer.step()
        if self.schedule.last_epoch < self._last_step:  # draws vary a little from epoch to epoch
            self.schedule.step()
        return total

    def loss(self, examples: UserExamples, pairs: UserItemPairs) -> Tensor:
        """In-batch softmax over the batch's items: this replica's part of their mean loss."""
        mine = self.replicas.rows(len(pairs))
        own = pairs.where(mine)
        forget, unknown = self.rng.random((2, len(pairs))) < [[COLD_DRAWS], [NOBODY_DRAWS]]
        hidden = self.rng.random(len(pairs)) < HIDDEN_DRAWS
        user_inputs = self._moved(examples.user_features(own, forget[mine], unknown[mine]))
        item_inputs = self._moved(self.data.item_inputs(own.items, hidden[mine], own=1))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._mixed):
            users, of_own = self.model.user(user_inputs), self.model.item(item_inputs)
        items = self.replicas.gather(of_own, len(pairs))
        log_q = self._moved(self.data.log_q[pairs.items]) if self.data.settings.corrected else None
        blocked = self._moved(examples.false_negatives(pairs, mine))
        logits = users @ items.T / self.data.training_options.temperature
        return in_batch_loss(logits, log_q, blocked, mine.start)

    @torch.inference_mode()
    def user_vectors(self, features: Floats) -> Floats:
        """Vectors of users whose features are given."""
        self.model.eval()
        vectors: Floats = self.model.user(self._moved(features)).cpu().numpy()
        return vectors

    @torch.inference_mode()
    def item_vectors(self, items: Int64s) -> Floats:
        """As they are served: rounded to half precision."""
        self.model.eval()
        parts = [
            self.model.item(self._moved(self.data.item_inputs(chunk, self.data.popularity[chunk] == 0, own=0))).cpu()
            for chunk in np.array_split(items, len(items) // 65536 + 1)
        ]
        return rounded(torch.cat(parts).numpy())

    def _moved(self, array: npt.NDArray[Any]) -> Tensor:
        """As a tensor on the device."""
        return torch.from_numpy(array).to(self.device)


def training_device(name: str) -> torch.device:
    """The device of `towers.device`: `auto` is torch's first GPU if there is one, else the CPU.

    Raises:
        SettingsError: `gpu` where torch sees none.
    """
    if name == "gpu" and not torch.cuda.is_available():
        raise SettingsError("towers.device is gpu, and torch sees none here: set auto or cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
