"""Synthetic items: themes (latent factors), popularity, publication days, texts."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from colisten.arrays import Floats, Floats64, Int64s
from colisten.listening.synth.phrases import THEMES, TOPICS, Theme
from colisten.listening.synth.writing import compose, person, series_name

DIM = 32
"""Number of latent factors of users and items."""
LANGUAGES = ("en", "de", "es", "fr")
_TRIES = 20
BEGIN = datetime.date(2024, 1, 1)
"""The first day of the interactions."""


@dataclass(frozen=True)
class ItemType:
    """One item type, and how users listen to it."""

    name: str
    items: int
    reach: float
    """Share of the users who ever stream it."""
    rate: float
    """Median number of different items that a listener streams in 104 days."""
    rate_spread: float
    """Standard deviation of the logarithm of that number, over listeners."""
    popularity_spread: float
    """Standard deviation of log popularity, over items."""
    hours: float
    """Median length of an item, in hours."""
    sessions: float
    """Mean number of streams of one item by one listener."""
    weak: tuple[str, ...]
    """Weak signals that it has."""
    show: bool = False
    """It has episodes."""
    adoption: float = 0.0
    """When its listeners first stream it: 0 all from the start, 1 evenly until the end."""


@dataclass(frozen=True)
class Catalogue:
    """All items; arrays are by item, all types one after the other."""

    types: tuple[ItemType, ...]
    type_of: Int64s
    position: Floats
    """[items, DIM] latent factors, unit length."""
    language: Int64s
    popularity: Floats
    """[items] log popularity."""
    day: Floats
    """[items] day of publication; 0 or less: there from the start."""
    table: pl.DataFrame
    """The items file."""


def theme_positions(rng: np.random.Generator) -> Floats:
    """Latent factors of each theme, float32 [themes, DIM], unit length; themes of a topic are near each other."""
    topics = rng.normal(size=(len(TOPICS), DIM))
    own = rng.normal(size=(len(THEMES), DIM))
    topic_of = [TOPICS.index(theme.topic) for theme in THEMES]
    return _unit(0.7 * topics[topic_of] + own)


def make_catalogue(types: Sequence[ItemType], themes: Floats, days: int, rng: np.random.Generator) -> Catalogue:
    """Make all items: a tenth is published in the course of the data, and some on the last day, without listeners."""
    type_of = np.repeat(np.arange(len(types)), [kind.items for kind in types])
    count = len(type_of)
    theme = rng.integers(len(THEMES), size=count)
    author = _authors(type_of, theme, rng)
    author_position = rng.normal(size=(author.max() + 1, DIM)) / np.sqrt(DIM)
    position = _unit(
        themes[theme] + 0.35 * author_position[author] + 0.35 * rng.normal(size=(count, DIM)) / np.sqrt(DIM)
    )
    popularity = rng.normal(size=count) * np.array([kind.popularity_spread for kind in types])[type_of]
    when = rng.random(count)
    day = np.select([when < 0.02, when < 0.12], [days, rng.uniform(0, days, count)], -rng.exponential(900, count))
    language = rng.choice(len(LANGUAGES), size=count, p=[0.64, 0.14, 0.12, 0.10])
    table = _table(types, type_of, theme, author, language, day, rng)
    return Catalogue(
        tuple(types), type_of, position, language, popularity.astype(np.float32), day.astype(np.float32), table
    )


def _authors(type_of: Int64s, theme: Int64s, rng: np.random.Generator) -> Int64s:
    """A creator for each item, who stays with one type and theme and makes about three of them."""
    pair = type_of * len(THEMES) + theme
    sizes = np.bincount(pair)
    pens = 1 + sizes // 3
    first = np.cumsum(pens) - pens
    author: Int64s = first[pair] + rng.integers(0, pens[pair])
    return author


def _table(
    types: Sequence[ItemType], type_of: Int64s, theme: Int64s, author: Int64s, language: Int64s,
    day: Floats64, rng: np.random.Generator,
) -> pl.DataFrame:  # fmt: skip
    names = [person(rng) for _ in range(int(author.max()) + 1)]
    volumes: dict[int, int] = {}
    titles: set[str] = set()
    series = [series_name(THEMES[theme[np.argmax(author == a)]], rng) if rng.random() < 0.25 else None
              for a in range(len(names))]  # fmt: skip
    rows = []
    for place, (kind, about, by) in enumerate(zip(type_of, theme, author, strict=True)):
        show = types[kind].show
        volumes[by] = volumes.get(by, 0) + 1
        part = f"{series[by]}, Book {volumes[by]}" if series[by] and not show else None
        title, description = _distinct_title(titles, THEMES[about], names[by], part, show, rng)
        rows.append({
            "item_id": f"{types[kind].name}-{place:06d}", "item_type": types[kind].name, "title": title,
            "description": description, "language": LANGUAGES[language[place]],
            "genres": [THEMES[about].genre], "creators": [names[by]],
            "published": BEGIN + datetime.timedelta(days=float(np.floor(day[place]))),
        })  # fmt: skip
    return pl.DataFrame(rows)


def _distinct_title(
    titles: set[str], theme: Theme, creator: str, series: str | None, show: bool, rng: np.random.Generator
) -> tuple[str, str]:
    """A title that is not among `titles` yet, if a few tries can find one, and its description."""
    for _ in range(_TRIES):
        title, description = compose(theme, creator, series, show=show, rng=rng)
        if title not in titles:
            break
    titles.add(title)
    return title, description


def _unit(vectors: Floats64) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
