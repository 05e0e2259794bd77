"""A believable listening world: people, audiobooks, podcasts, and who listened to what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from colisten.listening.synth.catalogue import ItemType, make_catalogue, theme_places
from colisten.listening.synth.choices import PERIODS, Choices, choose, preferences
from colisten.listening.synth.events import make_events
from colisten.listening.synth.people import make_people
from colisten.listening.synth.truth import write_truth
from colisten.workdir import replacing_folder

_LOOKED = {"show": 0.4, "work": 1.5}
"""Items looked at for each that is streamed."""


def audiobook_type(items: int) -> ItemType:
    """Audiobooks: few, long, taken up late, with all three weak signals."""
    return ItemType(
        "audiobook", items, reach=0.5, rate=3.6, spread=1.45, fame=2.7, hours=7.0, sessions=1.8,
        weak=("follow", "preview", "intent"), late=0.55,
    )  # fmt: skip


def podcast_type(items: int) -> ItemType:
    """Podcasts: listened to by nearly all, in many short episodes, followed."""
    return ItemType(
        "podcast",
        items,
        reach=0.92,
        rate=10.5,
        spread=0.9,
        fame=1.3,
        hours=1.5,
        sessions=2.4,
        weak=("follow",),
        show=True,
    )


def make_world(
    out: Path, *, users: int = 3000, audiobooks: int = 800, podcasts: int = 600, more_types: Sequence[ItemType] = (),
    seed: int = 7, days: int = 104,
) -> None:  # fmt: skip
    """Write `interactions`, `items` and `users` as Parquet to `out`, and the truth behind them to `out/truth`.

    The same arguments give the same world. What it is like (paper, section 3): a fifth of the audiobooks has about
    80 % of the hours, a quarter of their listeners about 75 %; most had podcasts first; podcasts share their tastes;
    follow, preview and intent go before streams with odds ratios 2.18, 1.18 and 1.13.
    """
    types = [kind for kind in (audiobook_type(audiobooks), podcast_type(podcasts), *more_types) if kind.items]
    rng = np.random.default_rng(seed)
    themes = theme_places(rng)
    catalogue = make_catalogue(types, themes, days, rng)
    people = make_people(users, types, themes, days, rng)
    looked = np.array([_LOOKED["show" if kind.show else "work"] for kind in types], np.float32)
    choices = _together(list(choose(catalogue, people, days, looked, rng)))
    interactions, considered = make_events(catalogue, choices, days, rng)
    with replacing_folder(out) as draft:
        interactions.write_parquet(draft / "interactions.parquet")
        catalogue.table.write_parquet(draft / "items.parquet")
        people.table.write_parquet(draft / "users.parquet")
        write_truth(draft / "truth", catalogue, preferences(catalogue, people, days, PERIODS - 1), considered)


def _together(parts: list[Choices]) -> Choices:
    return Choices(*(np.concatenate([getattr(part, name) for part in parts]) for name in Choices.__dataclass_fields__))
