"""What follows what: counted as written, served as validated, found where there is order and left out where not."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.arrays import Floats64
from colisten.listening.history_reading import read_histories
from colisten.progress import Progress
from colisten.settings import Settings, TowersSettings
from colisten.towers.item_matrix import summed_rows
from colisten.towers.parts import FADED, TransitionsPart
from colisten.towers.selection.tower_selection import TowerSelection
from colisten.towers.training import train_towers
from colisten.towers.transitions import AHEAD, SHRINK, OrderedStreams, transition_matrix, transition_scorer
from colisten.towers.user_encoder import UserEncoder
from colisten.towers.user_vectors import UserVectors
from tests.worlds import Event, plain_users

from . import worlds
from .test_parts import listeners, written_out

ITEMS = 9
SOME_EVENTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, ITEMS - 1), st.integers(0, 1), st.integers(-1, 6)),
    min_size=1, max_size=40,
)  # fmt: skip


def came_to(events: list[Event]) -> dict[int, dict[int, int]]:
    """By user, when each item was first streamed, unknown times being before all."""
    found: dict[int, dict[int, int]] = {}
    for user, item, signal, time in events:
        if signal == 0:
            assert time is not None
            mine = found.setdefault(user, {})
            mine[item] = min(time, mine.get(item, time))
    return found


def count_by_hand(events: list[Event], half_life: float) -> Floats64:
    counts, heard = np.zeros((ITEMS, ITEMS)), np.zeros(ITEMS)
    for first in came_to([event for event in events if event[3] != -1]).values():
        for i, time in first.items():
            heard[i] += 1
            for j, later in first.items():
                between = sum(time < other < later for other in first.values())
                if later > time and between < FADED * half_life:
                    counts[i, j] += 0.5 ** (between / half_life)
    return counts / (np.sqrt(np.outer(heard, heard)) + SHRINK)


@given(events=SOME_EVENTS, half_life=st.sampled_from([1.0, 2.0, 4.0]))
@settings(max_examples=80)
def test_followers_are_counted_once_a_person_by_their_distance(events: list[Event], half_life: float) -> None:
    assert AHEAD > ITEMS
    events = sorted(events, key=lambda event: event[0])
    people = listeners(*(list(column) for column in zip(*events, strict=True)))
    streams = OrderedStreams.of(people, 1, ITEMS)
    matrix = transition_matrix(streams, half_life)
    near = written_out(matrix)
    wanted = count_by_hand(events, half_life)
    if half_life > 1:  # all nine items are within reach: none of a tie is left out
        np.testing.assert_allclose(near, wanted, rtol=1e-4)
    with patch("colisten.towers.transitions.STRONGEST", 2):
        few = written_out(transition_matrix(streams, half_life))
    for column in range(ITEMS):  # of equal ones the first
        kept = np.argsort(-near[:, column], kind="stable")[:2]
        np.testing.assert_array_equal(few[:, column], np.where(np.isin(np.arange(ITEMS), kept), near[:, column], 0))
    part = TransitionsPart(1, half_life)
    scores = np.zeros((len(people), ITEMS))
    for user, first in came_to(events).items():
        for item, time in first.items():
            newer = sum(other > time for other in first.values())
            scores[user] += 0.5 ** (newer / half_life) * near[item] * (newer < FADED * half_life)
    seen = transition_scorer(people, matrix, part, np.arange(ITEMS))(slice(None))
    np.testing.assert_allclose(seen, scores, rtol=1e-4, atol=1e-7)
    (pairs,) = part.lookups(people).values()
    served = UserVectors(part.encode(people), summed_rows(len(people), [(matrix, pairs)]))
    np.testing.assert_allclose(served.scores(np.empty((ITEMS, 0), np.float32), np.arange(ITEMS)), scores, rtol=1e-4)


def walkers(shuffled: bool) -> list[Event]:
    """Six books in a row of a ring of forty, at six times; or the same at these times in any order."""
    rng = np.random.default_rng(2)
    events: list[Event] = []
    for user in range(600):
        times = np.sort(rng.choice(100 * 86400, 6, replace=False))
        books = (rng.integers(40) + np.arange(6)) % 40
        books = rng.permutation(books) if shuffled else books
        events += [(user, int(book), 0, int(time)) for book, time in zip(books, times, strict=True)]
    return events


@pytest.mark.parametrize("shuffled", [False, True])
def test_what_comes_next_is_found_where_there_is_order_and_only_there(tmp_path: Path, shuffled: bool) -> None:
    events = walkers(shuffled)
    data = worlds.write(tmp_path / "data", ["book"] * 40 + ["pod"] * 5, events, plain_users(600))
    towers = TowersSettings(parts=("linear", "demand", "transitions"), minutes=0)
    selection = trained(data.root, towers, tmp_path / "towers")
    encoder = UserEncoder.load(tmp_path / "towers")
    assert (selection.half_life is None) == shuffled
    assert ("transitions" in encoder.parts) != shuffled
    if not shuffled:
        people = read_histories(data)
        found = encoder.encode(people).scores(encoder.item_vectors, np.arange(40))
        found[people.owners, people.items] = -np.inf
        after = (np.array([book for _, book, _, _ in events[5::6]]) + 1) % 40
        assert (found.argmax(axis=1) == after).mean() > 0.95
        one = people.take(np.array([3]))
        (indices, values) = encoder.sparse_queries(one)["transitions"]
        assert np.argmax(values) == np.flatnonzero(indices == events[23][1])[0], "the last book counts most"


def trained(root: Path, towers: TowersSettings, out: Path) -> TowerSelection:
    from colisten.listening.data import ListeningData

    data = ListeningData(root)
    nothing = np.empty((len(data.items), 0), np.float32)
    options = Settings(target="book", towers=towers)
    with Progress(quiet=True) as progress:
        return train_towers(data, nothing, nothing, lambda _: nothing, options, out, progress)
