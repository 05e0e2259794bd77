"""Themes and words of synthetic items, read from phrases.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Theme:
    """One narrow interest within a topic."""

    topic: str
    genre: str
    name: str
    words: tuple[str, ...]
    """Noun phrases that fit after "about"."""
    story: bool
    """Fiction rather than non-fiction."""
    age: int
    """The age of its typical listener."""


_BANK = tomllib.loads((files("colisten.listening.synth") / "phrases.toml").read_text(encoding="utf-8"))

THEMES: tuple[Theme, ...] = tuple(
    Theme(topic["name"], topic["genre"], name, tuple(words), topic["story"], topic["age"])
    for topic in _BANK["topic"]
    for name, words in topic["themes"].items()
)
TOPICS: tuple[str, ...] = tuple(topic["name"] for topic in _BANK["topic"])
ADJECTIVES: tuple[str, ...] = tuple(_BANK["adjectives"])
FIRST_NAMES: tuple[str, ...] = tuple(_BANK["first_names"])
LAST_NAMES: tuple[str, ...] = tuple(_BANK["last_names"])
