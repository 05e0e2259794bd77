"""The linear part as a whole: what cold listeners get, and what validation chooses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colisten.progress import Progress
from colisten.towers.holdout import hold_out
from colisten.towers.linear import LinearChoice, LinearTrials, Penalties, fit_linear, heard_matrix
from colisten.towers.ranking import Task, not_worse
from colisten.towers.reading import listeners_of

from . import worlds

CHOICE = LinearChoice(signals=1, penalties=Penalties(5.0, 5.0), rank=48)


@pytest.mark.parametrize("types", [("book", "pod"), ("book",)])
def test_cold_weights_speak_for_the_target_from_other_types_alone(tmp_path: Path, types: tuple[str, ...]) -> None:
    data, _ = worlds.clustered(tmp_path / "data", types=types)
    is_target, items = data.type_of == 0, len(data.items)
    with Progress(quiet=True) as progress:
        fitted = fit_linear(listeners_of(data), is_target, CHOICE, 7, progress)
    warm, cold = fitted.weights.toarray()[:items], fitted.weights.toarray()[items:]
    assert not cold[np.ix_(is_target, is_target)].any()
    assert cold[np.ix_(~is_target, is_target)].any() == (len(types) > 1)
    assert warm[np.ix_(is_target, is_target)].any()
    np.testing.assert_array_equal(cold[:, ~is_target][~is_target], warm[:, ~is_target][~is_target])
    np.testing.assert_allclose(fitted.from_items @ fitted.to_items.T, fitted.weights.toarray(), atol=1e-3)


def test_validation_chooses_a_rank_that_keeps_what_the_weights_know(tmp_path: Path) -> None:
    data, _ = worlds.clustered(tmp_path / "data", per_type=60)
    people, is_target = listeners_of(data), data.type_of == 0
    held = hold_out(people, is_target, 1, np.random.default_rng(0))
    task = Task.of(held, is_target, 1, ruled_out=())
    with Progress(quiet=True) as progress:
        trials = LinearTrials(held, task, is_target, progress)
        choice, gains = trials.choose((1, 3))
        fitted = trials.cut(fit_linear(held.kept, is_target, choice, 7, progress), gains)
    asked = held.kept.take(held.users)
    kept = task.ndcg(fitted.part.encode(asked) @ fitted.to_items[task.candidates].T).mean()
    assert gains.mean() > 0.3
    assert kept > 0.97 * gains.mean()
    assert fitted.choice.rank == fitted.to_items.shape[1] <= 120


def test_only_the_latest_items_of_a_user_make_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = worlds.clustered(tmp_path / "data", timed=True)
    people = listeners_of(data)
    monkeypatch.setattr("colisten.towers.linear.ITEMS_PER_USER", 2)
    heard = heard_matrix(people, len(data.items), 3)
    for user in range(5):
        events = slice(*people.indptr[user : user + 2])
        latest = people.items[events][np.argsort(people.timestamps[events])[-2:]]
        assert sorted(heard[[user]].indices) == sorted(latest)


def test_an_option_within_the_noise_is_not_worse_and_one_far_off_is() -> None:
    rng = np.random.default_rng(0)
    best = rng.random(400).astype(np.float32)
    close, far = best + rng.normal(0, 0.1, 400) - 0.001, best - 0.1
    assert not_worse(np.stack([best, close, far]).astype(np.float32)).tolist() == [True, True, False]
