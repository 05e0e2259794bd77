"""How many edges an item keeps: counted as the graph counts, chosen on listening that no edge knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from colisten.progress import Progress
from colisten.settings import GraphSettings, Settings, TowersSettings
from colisten.towers.selection.top_k import TOP_K_OPTIONS, choose_top_k
from tests.towers import worlds
from tests.worlds import Event, plain_users

QUIET = Progress(quiet=True)
SETTINGS = Settings(target="book")


def test_what_is_set_is_not_chosen(tmp_path: Path) -> None:
    data, _ = worlds.clustered(tmp_path / "data")
    given = choose_top_k(data, SETTINGS.model_copy(update={"graph": GraphSettings(top_k=0)}), tmp_path, QUIET)
    assert (given.options.top_k, given.ndcg) == (0, {})
    hurried = SETTINGS.model_copy(update={"towers": TowersSettings(minutes=0)})
    assert choose_top_k(data, hurried, tmp_path, QUIET).ndcg == {}


def test_too_little_listening_to_hide_any_takes_the_usual(tmp_path: Path) -> None:
    data = worlds.write(tmp_path / "one", ["book"] * 3, [(0, 1, 0, None)], plain_users(2))
    assert choose_top_k(data, SETTINGS, tmp_path, QUIET).options.top_k == TOP_K_OPTIONS[0]


def test_the_graph_finds_what_is_hidden_only_where_there_is_something_to_find(tmp_path: Path) -> None:
    """Two people who hear the same at random: an edge made by a hidden pair would give the pair away."""
    data, _ = worlds.clustered(tmp_path / "data", per_type=60)
    found = choose_top_k(data, SETTINGS, tmp_path / "edges", QUIET)
    assert list(found.ndcg) == list(TOP_K_OPTIONS)
    assert found.options.top_k in TOP_K_OPTIONS
    assert min(found.ndcg.values()) > 0.3
    rng = np.random.default_rng(0)
    events: list[Event] = [
        (user, int(item), 0, None) for user in range(200) for item in rng.choice(400, 4, replace=False)
    ]
    noise = worlds.write(tmp_path / "noise", ["book"] * 400, events, plain_users(200))
    assert max(choose_top_k(noise, SETTINGS, tmp_path / "edges", QUIET).ndcg.values()) < 0.1
    assert not list((tmp_path / "edges").iterdir())
