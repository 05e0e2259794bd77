"""Synthetic users: country, age, tastes (latent factors), activity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from colisten.arrays import Bools, Floats, Floats64, Int64s
from colisten.listening.synth.catalogue import DIM, LANGUAGES, ItemType
from colisten.listening.synth.phrases import THEMES

_COUNTRIES = {"US": "en", "GB": "en", "DE": "de", "AT": "de", "ES": "es", "MX": "es", "FR": "fr"}
_SHARES = (0.38, 0.2, 0.13, 0.05, 0.08, 0.07, 0.09)
_FAVOURITES = 2
_KEPT_ACROSS_TYPES = 0.95
_MUSIC_WIDTH = 16


@dataclass(frozen=True)
class People:
    """All users; arrays are by user."""

    tastes: Floats
    """[users, types, DIM] latent factors of the user for each item type, unit length."""
    drift: Floats
    """[users, DIM] the latent factors that tastes move towards."""
    language: Floats
    """[users, languages] log odds of an item in that language, at most 0."""
    adopted: Floats
    """[users, types] day of the first stream of the type; the number of days or more: never."""
    rate: Floats
    """[users, types] mean number of different items streamed in all days."""
    follows: Bools
    """[users] who follow series and creators."""
    table: pl.DataFrame
    """The users file."""


def make_people(
    users: int, types: Sequence[ItemType], themes: Floats, days: int, rng: np.random.Generator, *, followers: float = 0
) -> People:
    """Make all users: tastes depend on age, and are nearly the same for every item type and for music.

    Who follows is drawn by a generator of its own, so that a share of `followers` changes nothing else about them.
    """
    follows = rng.spawn(1)[0].random(users) < followers
    age = np.clip(rng.gamma(7.0, 5.6, users), 14, 90)
    country = rng.choice(len(_COUNTRIES), size=users, p=_SHARES)
    core = _mixed_tastes(age, themes, rng)
    own = rng.normal(size=(users, len(types), DIM)) / np.sqrt(DIM)
    tastes = _KEPT_ACROSS_TYPES * core[:, None, :] + (1 - _KEPT_ACROSS_TYPES**2) ** 0.5 * own
    tastes = (tastes / np.linalg.norm(tastes, axis=2, keepdims=True)).astype(np.float32)
    return People(
        tastes, _mixed_tastes(age, themes, rng), _languages(country), _adopted(users, types, days, rng),
        _rates(users, types, days, rng), follows, _table(age, country, core, rng),
    )  # fmt: skip


def _mixed_tastes(age: Floats64, themes: Floats, rng: np.random.Generator) -> Floats:
    """Each user's mixture of a few favourite themes, [users, DIM] of unit length."""
    distance = (age[:, None] - np.array([theme.age for theme in THEMES])[None, :]) / 18
    noisy = rng.gumbel(size=distance.shape) - 0.5 * distance**2
    favourites = np.argsort(-noisy, axis=1)[:, :_FAVOURITES]
    weights = rng.dirichlet([2.0] * _FAVOURITES, len(age))
    mixed = np.einsum("uf,ufd->ud", weights, themes[favourites])
    unit: Floats = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _languages(country: Int64s) -> Floats:
    own = np.array([LANGUAGES.index(language) for language in _COUNTRIES.values()])[country]
    dislike = np.full((len(country), len(LANGUAGES)), -4.0, np.float32)
    dislike[:, LANGUAGES.index("en")] = -1.5
    dislike[np.arange(len(country)), own] = 0.0
    return dislike


def _adopted(users: int, types: Sequence[ItemType], days: int, rng: np.random.Generator) -> Floats:
    adoption = np.array([kind.adoption for kind in types])
    reached = rng.random((users, len(types))) < np.array([kind.reach for kind in types])
    reached[np.arange(users)[~reached.any(axis=1)], int(np.argmax([kind.reach for kind in types]))] = True
    start = rng.random((users, len(types))) ** (1 / np.maximum(adoption, 1e-9)) * days
    return np.where(reached, np.where(adoption > 0, start, 0.0), days).astype(np.float32)


def _rates(users: int, types: Sequence[ItemType], days: int, rng: np.random.Generator) -> Floats:
    median = np.array([kind.rate for kind in types]) * days / 104
    spread = np.array([kind.rate_spread for kind in types])
    return (median * np.exp(spread * rng.normal(size=(users, len(types))))).astype(np.float32)


def _table(age: Floats64, country: Int64s, core: Floats, rng: np.random.Generator) -> pl.DataFrame:
    users = len(age)
    music = core @ rng.normal(size=(DIM, _MUSIC_WIDTH)) + 0.7 * rng.normal(size=(users, _MUSIC_WIDTH))
    music /= np.linalg.norm(music, axis=1, keepdims=True)
    known = rng.random(users) > 0.05
    return pl.DataFrame({
        "user_id": [f"user-{place:06d}" for place in range(users)],
        "age": pl.Series(age.astype(np.int64)).set(pl.Series(~known), None),
        "country": np.array(list(_COUNTRIES))[country],
        "plan": rng.choice(["free", "premium", "family"], size=users, p=[0.3, 0.5, 0.2]),
        "months_here": rng.integers(0, 120, users),
        "taste": pl.Series(music.astype(np.float32)).cast(pl.List(pl.Float32)),
    })  # fmt: skip
