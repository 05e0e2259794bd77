"""Synthetic items: themes (latent factors), popularity, publication days, texts."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from colisten.arrays import Floats, Floats64, Int64s
from colisten.listening.synth.phrases import THEMES, TOPICS
from colisten.listening.synth.writing import Blurb, compose, person, series_name

DIM = 32
"""Number of latent factors of users and items."""
LANGUAGES = ("en", "de", "es", "fr")
_TRIES = 20
_MANY = 2**15
"""Items that use up the titles of many themes; tries in vain would take most of the time."""
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
    creator: Int64s
    """[items] a number for each creator; creators stay with one type."""
    next_volume: Int64s
    """[items] the next volume of the item's series, −1 where there is none."""
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
        tuple(types), type_of, position, language, popularity.astype(np.float32), day.astype(np.float32), author,
        _next_volumes(author, table), table,
    )  # fmt: skip


def _authors(type_of: Int64s, theme: Int64s, rng: np.random.Generator) -> Int64s:
    """A creator for each item, who stays with one type and theme and makes about three of them."""
    pair = type_of * len(THEMES) + theme
    sizes = np.bincount(pair)
    pens = 1 + sizes // 3
    first = np.cumsum(pens) - pens
    author: Int64s = first[pair] + rng.integers(0, pens[pair])
    return author


def _next_volumes(author: Int64s, table: pl.DataFrame) -> Int64s:
    """Volumes of a creator's series are numbered in the order of the items."""
    volumes = np.flatnonzero(table["series_position"].is_not_null().to_numpy())
    volumes = volumes[np.argsort(author[volumes], kind="stable")]
    following = np.full(len(author), -1)
    same = author[volumes[1:]] == author[volumes[:-1]]
    following[volumes[:-1][same]] = volumes[1:][same]
    return following


def _table(
    types: Sequence[ItemType], type_of: Int64s, theme: Int64s, author: Int64s, language: Int64s,
    day: Floats64, rng: np.random.Generator,
) -> pl.DataFrame:  # fmt: skip
    names = [person(rng) for _ in range(int(author.max()) + 1)]
    first_item = np.zeros(len(names), np.int64)
    first_item[author[::-1]] = np.arange(len(author))[::-1]
    series = [series_name(THEMES[about], rng) if rng.random() < 0.25 else None for about in theme[first_item]]
    volumes = [0] * len(names)
    writer = _Writer(len(author), rng)
    titles, descriptions, positions = [], [], []
    for kind, about, by in zip(type_of.tolist(), theme.tolist(), author.tolist(), strict=True):
        show = types[kind].show
        volumes[by] += 1
        positions.append(volumes[by] if series[by] and not show else None)
        part = f"{series[by]}, Book {volumes[by]}" if positions[-1] else None
        blurb = writer.write(about, names[by], part, show)
        titles.append(blurb.title)
        descriptions.append(blurb.description)
    kinds = [types[kind].name for kind in type_of.tolist()]
    named = [series[by] if position else None for by, position in zip(author.tolist(), positions, strict=True)]
    return pl.DataFrame({
        "item_id": [f"{kind}-{place:06d}" for place, kind in enumerate(kinds)], "item_type": kinds, "title": titles,
        "description": descriptions, "language": [LANGUAGES[place] for place in language.tolist()],
        "genres": [THEMES[about].genre for about in theme.tolist()], "creators": [names[by] for by in author.tolist()],
        "published": np.datetime64(BEGIN, "D") + np.floor(day).astype("timedelta64[D]"),
        "series": pl.Series(named, dtype=pl.String), "series_position": pl.Series(positions, dtype=pl.Float32),
    }).with_columns(pl.concat_list("genres"), pl.concat_list("creators"))  # fmt: skip


class _Writer:
    """Writes items whose titles are new, if `_TRIES` draws can find one.

    Among more than `_MANY` items, a theme for which they could not is used up: its next items keep the first draw.
    """

    def __init__(self, items: int, rng: np.random.Generator) -> None:
        self._rng, self._many = rng, items > _MANY
        self._titles: set[str] = set()
        self._used_up: set[tuple[int, bool, bool]] = set()

    def write(self, theme: int, creator: str, series: str | None, show: bool) -> Blurb:
        """The blurb of the next item."""
        kind = (theme, show, series is None)
        for _ in range(1 if kind in self._used_up else _TRIES):
            blurb = compose(THEMES[theme], creator, series, show=show, rng=self._rng)
            if blurb.title not in self._titles:
                break
        else:
            if self._many:
                self._used_up.add(kind)
        self._titles.add(blurb.title)
        return blurb


def _unit(vectors: Floats64) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
