"""What validation judges is what is served: the same scores, part by part and mixed."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.arrays import Floats
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import RelationSettings, Settings, TowersSettings
from colisten.towers.demand.forecast import log_demand
from colisten.towers.export import STRONGEST, FittedTowers, export
from colisten.towers.inputs import TowerInputs
from colisten.towers.linear.model import fit_linear
from colisten.towers.relations import relation_matrices, relation_scorer
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.linear_search import LinearSearch
from colisten.towers.selection.mixing import choose_weights, mixed
from colisten.towers.selection.on_validation import for_everybody
from colisten.towers.selection.ranking_task import RankingTask, Scorer
from colisten.towers.selection.two_tower_search import TwoTowerSearch, default_options
from colisten.towers.selection.validation_split import split_validation
from colisten.towers.user_encoder import UserEncoder
from colisten.towers.weak_signals import conversion_rates, weak_signal_scores
from tests.towers import worlds
from tests.worlds import Event, plain_users

ITEMS = 3000
"""Three times the 1,024 directions that the weights were cut to once."""
SETTINGS = Settings(
    target="book", towers=TowersSettings(hidden=(16,), dim=8, batch_size=256, epochs=1, minutes=0), seed=3
)
RELATIONS = (RelationSettings(name="inspired_by", directed=True), RelationSettings(name="seen", graph_only=True))
PARTS = ("towers", "linear", "demand", "inspired_by", "weak_signals")


def sparse_world(folder: Path) -> tuple[ListeningData, Floats]:
    """500 users, a fifth of them without any book, hear 10 of the items of their topic."""
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 100, ITEMS)
    types = ["book"] * (ITEMS // 3) + ["pod"] * (ITEMS - ITEMS // 3)
    events: list[Event] = []
    for user in range(500):
        mine = np.flatnonzero(topic == user % 100)
        mine = mine[mine >= ITEMS // 3] if user % 5 == 0 else mine
        for item in rng.choice(mine, 10, replace=False).tolist():
            signals = [(0,), (0, 1), (1,), (0, 2), (2,)][rng.integers(5)]
            events += [(user, item, signal, None) for signal in signals]
    text = rng.normal(size=(100, 8))[topic] + rng.normal(0, 0.3, (ITEMS, 8))
    return worlds.write(folder, types, events, plain_users(500)), text.astype(np.float32)


@pytest.mark.slow
def test_scores_seen_on_validation_are_those_of_the_exported_encoder(tmp_path: Path) -> None:
    data, text = sparse_world(tmp_path / "data")
    progress = Progress(quiet=True)
    embeddings = np.random.default_rng(5).normal(size=(len(text), 4)).astype(np.float32)
    relations = relation_matrices(some_edges(), ITEMS, RELATIONS)
    assert list(relations) == ["inspired_by"]
    inputs = TowerInputs.of(data, text, embeddings, SETTINGS, relations)
    split = split_validation(inputs.everybody, inputs.is_target, inputs.strong, np.random.default_rng(3))
    task = RankingTask.of(split, inputs.is_target, inputs.strong, inputs.negative_signals)
    about = inputs.item_inputs(progress)
    trials = LinearSearch(split, task, about, data.item_types, progress)
    trial = trials.choose((inputs.strong, inputs.signals), GreedySearch(60))
    linear = trials.scorer(trial, split)
    demand = log_demand(split.train, inputs.strong, inputs.facts)
    asked = split.train.take(split.users)
    training_set = inputs.training_set(split.train, SETTINGS, default_options(SETTINGS.towers))
    found, towers = TwoTowerSearch(training_set, asked, task, demand, SETTINGS.seed, progress).choose(GreedySearch(0))
    rates = conversion_rates(split.train, inputs.strong, inputs.signals, ())
    everyone = np.arange(len(asked))
    seen: dict[str, Scorer] = {
        "towers": towers,
        "linear": linear,
        "demand": for_everybody(demand, task),
        "inspired_by": relation_scorer(asked, relations["inspired_by"], inputs.strong, task.candidates),
        "weak_signals": lambda some: weak_signal_scores(asked.take(everyone[some]), rates, task.candidates, ITEMS),
    }
    warm, cold, validation = choose_weights(task, seen)
    weights = {
        name: {part: 0.3 + weight for part, weight in of.items()} for name, of in (("warm", warm), ("cold", cold))
    }

    fitted = FittedTowers(found.run, fit_linear(split.train, about, trial.options, progress), demand, rates, inputs)
    export(fitted, weights | {"linear": asdict(trial.options)}, tmp_path / "towers")
    assert fitted.linear
    strongest_into_each(fitted.linear.warm[:-1].toarray(), pl.read_parquet(tmp_path / "towers/weights.parquet"))
    encoder = UserEncoder.load(tmp_path / "towers")
    assert encoder.item_vectors.shape[1] == SETTINGS.towers.dim + 3
    for part in PARTS:
        alone = next(mixed(seen, [{name: float(name == part) for name in PARTS}], slice(None)))
        same(only(encoder, part).encode(asked).scores(encoder.item_vectors, task.candidates), alone)
    of_warm, of_cold = mixed(seen, [weights["warm"], weights["cold"]], slice(None))
    wanted = np.where(task.warm[:, None], of_warm, of_cold)
    same(encoder.encode(asked).scores(encoder.item_vectors, task.candidates), wanted)
    assert rates
    assert validation["warm"]["linear"] > 0


def strongest_into_each(weights: Floats, told: pl.DataFrame) -> None:
    assert (weights > 0).sum(axis=0).max() > STRONGEST
    for dst, into in enumerate(weights.T):
        best = np.sort(into[into > 0])[::-1][:STRONGEST]
        rows = told.filter(pl.col("dst") == dst).sort("weight", descending=True)
        np.testing.assert_array_equal(rows["weight"].to_numpy(), best)
        np.testing.assert_array_equal(into[rows["src"].to_numpy()], best)


def some_edges() -> pl.DataFrame:
    """Each item leads to a few others."""
    rng = np.random.default_rng(9)
    src, dst = np.repeat(np.arange(ITEMS), 5), rng.integers(0, ITEMS, 5 * ITEMS)
    table = {"src": src, "dst": dst, "relation": "inspired_by", "weight": rng.random(5 * ITEMS), "step": None}
    return pl.DataFrame(table).unique(["src", "dst"], maintain_order=True).with_columns(step=pl.lit(None, pl.Float32))


def only(encoder: UserEncoder, part: str) -> UserEncoder:
    weights = {name: float(name == part) for name in PARTS}
    return replace(encoder, warm=weights, cold=weights)


def same(served: Floats, seen: Floats) -> None:
    np.testing.assert_allclose(served, seen, atol=1e-4)
