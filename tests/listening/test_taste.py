"""Items of taste types are no nodes: a taste vector for each user is made of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from colisten.listening.taste import WIDTH, taste_vectors
from tests.listening.sources import ITEMS, Importer, event


@pytest.fixture
def music(importer: Importer) -> Importer:
    songs = [{"item_id": f"song{n}", "item_type": "music", "title": "s"} for n in range(6)]
    songs_of = {"u": [0, 1, 2], "v": [0, 1], "w": [3, 4, 5], "x": [4, 5]}
    events = [event(user_id=user, item_id=f"song{n}", item_type="music") for user, s in songs_of.items() for n in s]
    events += [event(), event(user_id="x", item_id="unlisted", item_type="music"), event(user_id="n")]
    return importer.write([*events], items=[*ITEMS, *songs])


def test_taste_types_get_no_item_number(music: Importer) -> None:
    data = music.run("taste_types=music")
    assert data.item_types == ("audiobook", "podcast")
    assert data.summary["counts"] | {"taste": 11, "interactions": 2, "items": 3} == data.summary["counts"]


def test_similar_listeners_have_similar_vectors(music: Importer) -> None:
    users = music.run("taste_types=music").users
    assert users["user_id"].to_list() == ["n", "u", "v", "w", "x"]
    without, u, v, w, x = users["taste"].to_list()
    assert without is None
    assert len(u) == WIDTH
    assert np.dot(u, v) > 0.5 > abs(np.dot(u, w))
    assert np.dot(w, x) > 0.4 > abs(np.dot(x, v))


def test_a_taste_in_the_users_table_takes_precedence(music: Importer) -> None:
    music.write([], [], users=[{"user_id": "u", "taste": [1.0, 0.0]}])
    assert music.run("taste_types=music").users["taste"].to_list() == [None, [1.0, 0.0], None, None, None]


def test_without_the_setting_music_is_an_item_type(music: Importer) -> None:
    music.write([{"user_id": "u", "item_id": "song1", "item_type": "music", "signal": "stream", "timestamp": 1}], [])
    assert "music" in music.run().item_types


def test_vectors_do_not_depend_on_the_order_of_users_and_match_numpy() -> None:
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 25)) < 0.2) * rng.random((40, 25))
    dense[np.arange(40), rng.integers(25, size=40)] = 1  # no user without any
    order = rng.permutation(40)
    vectors = taste_vectors(csr_array(dense), 8)
    np.testing.assert_allclose(taste_vectors(csr_array(dense[order]), 8), vectors[order], atol=1e-4)

    weighted = dense * np.log1p(40 / np.maximum((dense > 0).sum(axis=0), 1))
    left, strength, _ = np.linalg.svd(weighted, full_matrices=False)
    expected = left[:, :8] * strength[:8]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-3)


def test_one_listener_or_one_song_is_enough() -> None:
    assert taste_vectors(csr_array(np.ones((1, 5)))).shape == (1, WIDTH)
    assert taste_vectors(csr_array(np.ones((5, 1)))).shape == (5, WIDTH)
