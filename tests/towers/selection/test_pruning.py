"""How edges are pruned and weighed: counted as the graph counts, chosen on listening that no edge knows."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from colisten.graph_store.edges import DEFAULT_SHRINKAGE, DEFAULT_TOP_K
from colisten.progress import Progress
from colisten.settings import GraphSettings, Settings, TowersSettings
from colisten.towers.selection.pruning import SHRINKAGE_OPTIONS, TOP_K_OPTIONS, PruningChoice, choose_pruning
from tests.towers import worlds
from tests.worlds import Event, plain_users

QUIET = Progress(quiet=True)
SETTINGS = Settings(target="book")


def test_what_is_set_is_not_chosen(tmp_path: Path) -> None:
    data, _ = worlds.clustered(tmp_path / "data")

    def chosen(**graph: float) -> PruningChoice:
        options = GraphSettings.model_validate(graph)
        return choose_pruning(data, SETTINGS.model_copy(update={"graph": options}), tmp_path, QUIET)

    assert chosen(top_k=0) == PruningChoice(GraphSettings(top_k=0, shrinkage=DEFAULT_SHRINKAGE), {})
    assert chosen(top_k=3, shrinkage=0) == PruningChoice(GraphSettings(top_k=3, shrinkage=0), {})
    assert set(chosen(top_k=3).ndcg) == {(3, shrinkage) for shrinkage in SHRINKAGE_OPTIONS}
    assert set(chosen(shrinkage=1).ndcg) == {(top_k, 1) for top_k in TOP_K_OPTIONS}
    hurried = SETTINGS.model_copy(update={"towers": TowersSettings(minutes=0)})
    assert choose_pruning(data, hurried, tmp_path, QUIET).ndcg == {}


def test_too_little_listening_to_hide_any_takes_the_usual(tmp_path: Path) -> None:
    data = worlds.write(tmp_path / "one", ["book"] * 3, [(0, 1, 0, None)], plain_users(2))
    found = choose_pruning(data, SETTINGS, tmp_path, QUIET)
    assert found == PruningChoice(GraphSettings(top_k=DEFAULT_TOP_K, shrinkage=DEFAULT_SHRINKAGE), {})


def test_the_graph_finds_what_is_hidden_only_where_there_is_something_to_find(tmp_path: Path) -> None:
    """Two people who hear the same at random: an edge made by a hidden pair would give the pair away."""
    data, _ = worlds.clustered(tmp_path / "data", per_type=60)
    found = choose_pruning(data, SETTINGS, tmp_path / "edges", QUIET)
    assert set(found.ndcg) == set(product(TOP_K_OPTIONS, SHRINKAGE_OPTIONS))
    assert (found.options.top_k, found.options.shrinkage) in found.ndcg
    assert min(found.ndcg.values()) > 0.3
    rng = np.random.default_rng(0)
    events: list[Event] = [
        (user, int(item), 0, None) for user in range(200) for item in rng.choice(400, 4, replace=False)
    ]
    noise = worlds.write(tmp_path / "noise", ["book"] * 400, events, plain_users(200))
    assert max(choose_pruning(noise, SETTINGS, tmp_path / "edges", QUIET).ndcg.values()) < 0.1
    assert not list((tmp_path / "edges").iterdir())
