"""The linear part as a whole: what cold listeners get, and what validation chooses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.listening.history_reading import read_histories
from colisten.progress import Progress
from colisten.towers.features.item_features import centred
from colisten.towers.item_matrix import summed_rows
from colisten.towers.linear.item_weights import Ridge
from colisten.towers.linear.model import (
    ItemInputs,
    LinearModel,
    LinearOptions,
    fit_linear,
    interaction_matrix,
)
from colisten.towers.selection.greedy_search import GreedySearch
from colisten.towers.selection.linear_search import LinearSearch, _grown
from colisten.towers.selection.ranking_task import RankingTask, within_one_standard_error
from colisten.towers.selection.validation_split import split_validation
from colisten.towers.user_vectors import UserVectors
from tests.towers import worlds
from tests.worlds import Event, plain_users

CHOICE = LinearOptions(signals=1, warm=Ridge(5.0, 0.0), cold=Ridge(9.0, 0.0))


def fitted(folder: Path, types: tuple[str, ...]) -> tuple[LinearModel, np.ndarray]:
    data, text = worlds.clustered(folder, types=types)
    is_target = data.type_of == 0
    with Progress(quiet=True) as progress:
        return fit_linear(
            read_histories(data), ItemInputs.of(centred(text), is_target, data.type_of, progress), CHOICE, progress
        ), is_target


@pytest.mark.parametrize("types", [("book", "pod"), ("book",)])
def test_cold_weights_speak_from_other_types_alone(tmp_path: Path, types: tuple[str, ...]) -> None:
    found, is_target = fitted(tmp_path / "data", types)
    items = len(is_target)
    warm, cold = found.warm.toarray(), found.cold.toarray()
    assert not cold[:items][is_target].any()
    assert cold[:items][np.ix_(~is_target, is_target)].any() == (len(types) > 1)
    assert warm[:items][np.ix_(is_target, is_target)].any()
    assert (cold[items] > 0).all()


def test_text_is_centred_and_none_stays_none() -> None:
    text = np.random.default_rng(0).normal(3, 1, (20, 6)).astype(np.float32)
    text[4] = 0
    found = centred(text)
    assert not found[4].any()
    assert np.linalg.norm(found, axis=1) == pytest.approx((np.arange(20) != 4).astype(float), abs=1e-5)
    assert np.abs(found.mean(axis=0)).max() < 0.3
    assert centred(np.empty((3, 0), np.float32)).shape == (3, 0)
    assert not centred(np.zeros((3, 6), np.float32)).any(), "a catalogue without any text"


def test_validation_chooses_weights_that_rank_as_the_fitted_part_does(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", per_type=60)
    people, is_target = read_histories(data), data.type_of == 0
    split = split_validation(people, is_target, 1, np.random.default_rng(0))
    task = RankingTask.of(split, is_target, 1, negative_signals=())
    with Progress(quiet=True) as progress:
        about = ItemInputs.of(centred(text), is_target, data.type_of, progress)
        trials = LinearSearch(split, task, about, data.item_types, progress)
        trial = trials.choose((1, 3), GreedySearch(60))
        scores = trials.scorer(trial, split)
        found = fit_linear(split.train, about, trial.options, progress)

    asked = split.train.take(split.users)
    lookups = [(found.matrices[name], pairs) for name, pairs in found.part.lookups(asked).items()]
    users = UserVectors(found.part.encode(asked), summed_rows(len(asked), lookups))
    kept = users.scores(found.intercepts, task.candidates)
    np.testing.assert_allclose(kept, scores(slice(0, len(task))), atol=1e-4)
    assert task.ndcg(lambda some: kept[some].copy()).mean() > 0.3


def test_only_the_latest_items_of_a_user_make_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = worlds.clustered(tmp_path / "data", timed=True)
    people = read_histories(data)
    monkeypatch.setattr("colisten.listening.pairs.LATEST", 2)
    heard = interaction_matrix(people, len(data.items), 3)
    for user in range(5):
        events = slice(*people.indptr[user : user + 2])
        latest = people.items[events][np.argsort(people.timestamps[events])[-2:]]
        assert sorted(heard[[user]].indices) == sorted(latest)


def test_an_option_within_the_noise_is_not_worse_and_one_far_off_is() -> None:
    rng = np.random.default_rng(0)
    best = rng.random(400).astype(np.float32)
    close, far = best + rng.normal(0, 0.1, 400) - 0.001, best - 0.1
    assert within_one_standard_error(np.stack([best, close, far]).astype(np.float32)).tolist() == [True, True, False]


def test_a_type_that_says_nothing_has_no_weights(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", types=("album", "book", "pod"))
    about = ItemInputs.of(centred(text), data.of_type("book"), data.type_of, Progress(quiet=True))
    silent = data.item_types.index("pod")
    found = fit_linear(read_histories(data), about, replace(CHOICE, factors={silent: 0.0}), Progress(quiet=True))
    rows = np.stack([found.warm.toarray(), found.cold.toarray()])[:, :-1]
    assert not rows[:, data.type_of == silent].any()
    assert rows[1][data.of_type("album")].any()


def test_each_other_type_is_weighed(tmp_path: Path) -> None:
    data, text = worlds.clustered(tmp_path / "data", types=("album", "book", "pod"))
    about = ItemInputs.of(centred(text), data.of_type("book"), data.type_of, Progress(quiet=True))
    split = split_validation(read_histories(data), about.is_target, 1, np.random.default_rng(0))
    search = GreedySearch(60)
    task = RankingTask.of(split, about.is_target, 1, negative_signals=())
    choice = LinearSearch(split, task, about, data.item_types, Progress(quiet=True)).choose((1, 1), search).options
    names = {f"weights: {kind} × {factor:g}": (kind, factor) for kind in ("album", "pod") for factor in (0.3, 0.0)}
    assert set(search.tried) == set(names)
    kept = {data.item_types.index(kind): factor for name, (kind, factor) in names.items() if name in search.kept}
    assert dict(choice.factors) == kept


def test_other_types_that_say_nothing_count_less_and_more_candidates_are_taken_where_they_help(tmp_path: Path) -> None:
    """What readers hear elsewhere is drawn by lot; each of 400 books has forty neighbours that tell of it."""
    rng = np.random.default_rng(1)
    events: list[Event] = []
    for user in range(1500):
        start = int(rng.integers(0, 400))
        books = (start + rng.choice(40, 12, replace=False)) % 400
        events += [(user, int(book), 0, None) for book in books]
        events += [(user, 400 + int(pod), 0, None) for pod in rng.choice(60, 12, replace=False)]
    data = worlds.write(tmp_path / "data", ["book"] * 400 + ["pod"] * 60, events, plain_users(1500))
    about = ItemInputs.of(np.empty((460, 0), np.float32), data.of_type("book"), data.type_of, Progress(quiet=True))
    split = split_validation(read_histories(data), about.is_target, 1, np.random.default_rng(0))
    task = RankingTask.of(split, about.is_target, 1, negative_signals=())
    search = GreedySearch(60)
    choice = LinearSearch(split, task, about, data.item_types, Progress(quiet=True)).choose((1, 1), search).options
    assert choice.factors, search.tried
    assert choice.candidates == 50, "forty neighbours are all there is"


def test_the_grid_of_ridges_grows_until_the_best_lies_inside() -> None:
    penalties, texts = [2000.0, 60.0, 30.0], [0.0, 0.15]
    assert not _grown(penalties, texts, [Ridge(60.0, 0.0)])
    assert _grown(penalties, texts, [Ridge(30.0, 0.15), Ridge(2000.0, 0.0)])
    assert sorted(penalties) == [10.0, 30.0, 60.0, 2000.0, 6000.0]
    assert texts == pytest.approx([0.0, 0.15, 0.45])
