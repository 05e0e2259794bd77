"""Inputs of tower training: histories, features and labels, read from the listening data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from colisten.arrays import Bools, Codes, Floats, Floats64
from colisten.gnn.node_types import group_types
from colisten.listening.data import ListeningData
from colisten.listening.histories import UserHistories
from colisten.listening.history_reading import read_histories
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.towers.demand.as_of import ItemFacts
from colisten.towers.features.bags import BagLayout
from colisten.towers.features.columns import fit_columns
from colisten.towers.features.item_features import centred, content_of, item_features
from colisten.towers.features.negative_signals import negative_signals
from colisten.towers.features.user_features import UserFeatures
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.linear.model import ItemInputs
from colisten.towers.relations import NO_RELATIONS
from colisten.towers.two_tower.examples import UserExamples
from colisten.towers.two_tower.trainer import TrainingOptions, TrainingSet
from colisten.towers.weak_signals import conversion_rates


@dataclass(frozen=True)
class TowerInputs:
    """All inputs of tower training."""

    everybody: UserHistories
    features: UserFeatures
    items: Floats
    """[items, width] features of the item tower, without popularity."""
    text: Floats
    """[items, width ≥ 0] centred unit vectors, zeros where an item has no text."""
    is_target: Bools
    """[items]"""
    type_of: Codes
    """[items] item type."""
    signals: int
    negative_signals: tuple[int, ...]
    relations: Mapping[str, ItemMatrix]
    """By name of a relation of the graph: what having an item adds to the score of others."""
    published: Floats64
    """[items] epoch seconds, NaN where unknown."""
    graph_width: int
    """Columns of `items` that hold the graph embedding; they are the first."""

    @property
    def strong(self) -> int:
        return self.features.bags.strong

    def item_inputs(self, progress: Progress) -> ItemInputs:
        """Inputs of the item–item weights."""
        return ItemInputs.of(self.text, self.is_target, self.type_of, progress)

    def conversion_rates(self, histories: UserHistories) -> dict[int, float]:
        """Of weak signals into streams, in these histories; see `weak_signals`."""
        return conversion_rates(histories, self.strong, self.signals, self.negative_signals)

    @property
    def facts(self) -> ItemFacts:
        """What the forecast of demand knows of items."""
        return ItemFacts(self.type_of, self.published, self.relations)

    @classmethod
    def of(
        cls, data: ListeningData, text: Floats, embeddings: Floats, settings: Settings,
        relations: Mapping[str, ItemMatrix] = NO_RELATIONS,
    ) -> TowerInputs:  # fmt: skip
        """Read the listening data and lay out the features."""
        everybody = read_histories(data, values=settings.towers.value_weighted)
        groups = group_types(data, settings.target, settings.gnn.node_types).of_item
        content = content_of(text, embeddings)
        published = data.items["published"].cast(pl.Datetime("us")).dt.timestamp("us").to_numpy()
        bags = BagLayout(
            data.strong, len(data.signals), int(groups.max(initial=0)) + 1, groups, settings.towers.history_days, now=0
        )
        return cls(
            everybody,
            UserFeatures(fit_columns(everybody.features), bags, content),
            item_features(data, content),
            centred(text),
            data.of_type(settings.target),
            data.type_of,
            len(data.signals),
            negative_signals(everybody, data.strong, len(data.signals), len(data.items)),
            relations,
            published.astype(np.float64) / 1e6,
            embeddings.shape[1],
        )

    def with_content(self, data: ListeningData, content: Floats) -> TowerInputs:
        """The same listening, with other content [items, width] of the items of `data`."""
        return replace(self, features=replace(self.features, content=content), items=item_features(data, content))

    def training_set(
        self, histories: UserHistories, settings: Settings, training_options: TrainingOptions, half_life: int = 0
    ) -> TrainingSet:
        """A training set of `histories` alone; older pairs are drawn less often, by `half_life`."""
        bags = replace(self.features.bags, now=int(histories.timestamps.max(initial=0)))
        examples = UserExamples(replace(self.features, bags=bags), histories, self.negative_signals)
        default = TrainingOptions()
        found = TrainingSet(examples, self.items, self.graph_width, self.is_target, settings.towers, default, half_life)
        return found.with_options(training_options)
