"""Listening data as the towers see it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from colisten.arrays import Bools, Codes, Floats
from colisten.gnn.node_types import group_types
from colisten.listening.data import ListeningData
from colisten.settings import Settings
from colisten.towers.columns import fit_columns
from colisten.towers.history import Bags
from colisten.towers.item_features import centred, content_of, item_features
from colisten.towers.linear import Items
from colisten.towers.listeners import Listeners
from colisten.towers.reading import listeners_of
from colisten.towers.ruling_out import ruled_out
from colisten.towers.training import TrainingSet, Way
from colisten.towers.user_features import UserFeatures


@dataclass(frozen=True)
class Material:
    """Everything that training starts from."""

    everybody: Listeners
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
    ruled_out: tuple[int, ...]

    @property
    def strong(self) -> int:
        return self.features.bags.strong

    @property
    def for_weights(self) -> Items:
        """What item–item weights look at."""
        return Items(self.text, self.is_target, self.type_of)

    @classmethod
    def of(cls, data: ListeningData, text: Floats, embeddings: Floats, settings: Settings) -> Material:
        """Read the listening data and lay out the features."""
        everybody = listeners_of(data, values=settings.towers.value_weighted)
        groups = group_types(data, settings.target, settings.gnn.node_types).of_item
        content = content_of(text, embeddings)
        bags = Bags(
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
            ruled_out(everybody, data.strong, len(data.signals), len(data.items)),
        )

    def with_content(self, data: ListeningData, content: Floats) -> Material:
        """The same listening, with other content [items, width] of the items of `data`."""
        return replace(self, features=replace(self.features, content=content), items=item_features(data, content))

    def training_set(self, listeners: Listeners, settings: Settings, way: Way, half_life: int = 0) -> TrainingSet:
        """What the towers learn when they see no more than `listeners`, old listening drawn less by `half_life`."""
        bags = replace(self.features.bags, now=int(listeners.timestamps.max(initial=0)))
        features = replace(self.features, bags=bags)
        options = settings.towers
        return TrainingSet(listeners, features, self.items, self.is_target, options, way, self.ruled_out, half_life)
