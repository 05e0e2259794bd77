"""Popularity: the most streamed items, of all time or of the last days, for every user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from colisten.arrays import Floats, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.interaction_matrix import read_interaction_matrix
from colisten.listening.data import ListeningData

_DAY = 86_400


@dataclass
class Popularity(Baseline):
    """Score of an item: the users who streamed it in the last `days` of the data; 0 days (or no times): ever."""

    days: int = 0

    def _fit(self, data: ListeningData) -> None:
        last = pl.scan_parquet(data.interactions, glob=False).select(pl.col("timestamp").max()).collect().item()
        recent = self.days > 0 and last is not None
        matrix = read_interaction_matrix(data, since=last - self.days * _DAY) if recent else self.interactions
        self._listeners = matrix.listeners

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return np.broadcast_to(self._listeners[items], (len(users), len(items)))
