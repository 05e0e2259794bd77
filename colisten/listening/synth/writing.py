"""Titles and descriptions of synthetic items, from templates filled with words of their theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colisten.listening.synth.phrases import ADJECTIVES, FIRST_NAMES, LAST_NAMES, Theme

_STORY_TITLES = ("The {adjective} {noun}", "{Word}", "{Word} and {other}", "A {noun} of {adjective} Days",
                 "What the {noun} Knew", "{adjective} {noun}", "Beyond {word}")  # fmt: skip
_FACT_TITLES = ("{Word} Explained", "The {adjective} Book of {word}", "On {word}", "Understanding {word}",
                "{Word}: A {adjective} History", "Why {word} Matters", "{Word} and {other}")  # fmt: skip
_SHOW_TITLES = ("The {Word} Show", "{Word} Weekly", "All About {word}", "{adjective} {noun} Radio", "Talking {word}",
                "{Word} with {first}", "The {noun} Hour")  # fmt: skip

_STORY = (
    "A tale of {a}, {b} and {c}.",
    "When {a} changes everything, only {b} stands between hope and ruin.",
    "It begins with {a}; it ends with {b}, and nobody saw {c} coming.",
    "For everyone who loves {theme}: {a}, {b} and a heart that will not give up.",
)
_FACTS = (
    "A clear guide to {theme}, from {a} to {b}.",
    "What do {a} and {b} have in common? This is a fresh look at {theme}.",
    "Years of research on {a}, told through {b} and {c}.",
    "Everything worth knowing about {theme}: {a}, {b} and {c}.",
)
_SHOW = (
    "A show about {theme}: {a}, {b} and {c}.",
    "Every week {first} talks with guests about {a}, {b} and the rest of {theme}.",
    "Stories of {theme}, with episodes on {a} and {b}.",
    "Two friends, one microphone, and far too much about {a}, {b} and {c}.",
)
_AUDIENCES = (
    "For listeners who cannot get enough of {topic}.",
    "A favourite among fans of {topic}.",
    "No earlier knowledge of {topic} is needed.",
    "Read by {narrator}.",
    "With {narrator} as guest.",
    "Unabridged.",
)


@dataclass(frozen=True)
class Blurb:
    """The words that were drawn for one item: a title, and what its description is made of."""

    title: str
    sentences: tuple[str, str, str]
    phrases: tuple[str, str, str, str]
    others: dict[str, str]

    @property
    def description(self) -> str:
        """Three sentences of the phrases."""
        (a, b, c, d), (first, second, audience) = self.phrases, self.sentences
        return _sentence(
            f"{first.format(a=a, b=b, c=c, **self.others)} {second.format(a=d, b=a, c=b, **self.others)} "
            f"{audience.format(**self.others)}"
        )


def person(rng: np.random.Generator) -> str:
    """A random name of a person."""
    return f"{_one(FIRST_NAMES, rng)} {_one(LAST_NAMES, rng)}"


def compose(theme: Theme, creator: str, series: str | None, *, show: bool, rng: np.random.Generator) -> Blurb:
    """Words for one item; a `show` has episodes, anything else is one work."""
    a, b, c, d = (theme.words[place] for place in rng.permutation(len(theme.words)).tolist()[:4])
    noun = a.split()[-1].capitalize()
    words = {"word": a, "Word": _title(a), "other": _title(b), "noun": noun, "adjective": _one(ADJECTIVES, rng),
             "first": creator.split()[0]}  # fmt: skip
    titles = _SHOW_TITLES if show else _STORY_TITLES if theme.story else _FACT_TITLES
    sentences = _SHOW if show else _STORY if theme.story else _FACTS
    first, second = (sentences[place] for place in rng.choice(len(sentences), 2, replace=False).tolist())
    others = {"theme": theme.name, "topic": theme.topic, "narrator": person(rng), "first": words["first"]}
    title = _title(_one(titles, rng).format(**words))
    return Blurb(
        f"{title} ({series})" if series else title, (first, second, _one(_AUDIENCES, rng)), (a, b, c, d), others
    )


def series_name(theme: Theme, rng: np.random.Generator) -> str:
    """A name that the books of one series share."""
    noun = _one(theme.words, rng).split()[-1].capitalize()
    return f"The {_one(ADJECTIVES, rng)} {noun} Series"


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _title(text: str) -> str:
    return " ".join(word if word[:1].isupper() else word[:1].upper() + word[1:] for word in text.split())


def _sentence(text: str) -> str:
    """Capital letters after full stops, since phrases may begin a sentence."""
    return ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))
