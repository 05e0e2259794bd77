"""Request models: query parameters of each route, with bounds; an unknown parameter is an error."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from colisten.serving.query import Query, TypeQuota
from colisten.serving.rules.availability import Window, second

ShortText = Annotated[str, Field(min_length=1, max_length=200)]


Features = Annotated[dict[ShortText, ShortText | float | None], Field(max_length=100)]
"""Features of a user, by columns of the users table."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class _ItemsRequest(_Request):
    k: int = Field(10, ge=1, le=100)
    """How many items."""
    type: ShortText | None = None
    """Item type; by default the target type, the item's own (`/similar`) or all (`/search`)."""
    language: list[ShortText] = Field(default_factory=list, max_length=20)
    """Only items in one of these languages."""
    genre: list[ShortText] = Field(default_factory=list, max_length=20)
    """Only items of one of these genres."""
    market: ShortText | None = None
    """Only what may be shown in this country now; by default that of the user, or what may be shown everywhere."""

    def query(self) -> Query:
        """The query for the recommender."""
        return Query(self.k, self.type, tuple(self.language), tuple(self.genre), market=self.market)


class _UserRequest(_Request):
    user: ShortText | None = None
    """A user's id; without it the request is for an anonymous user."""
    likes: list[ShortText] = Field(default_factory=list, max_length=100)
    """Item ids or titles that the anonymous user likes; with `user`, what that user is in the mood for: as if it had
    just been streamed."""
    country: ShortText | None = None
    """Country of the anonymous user."""
    age: int | None = Field(None, ge=0, le=150)
    """Age of the anonymous user."""

    @property
    def features(self) -> dict[str, str]:
        """Features of the anonymous user, by columns of the users table."""
        features = {"country": self.country, "age": None if self.age is None else str(self.age)}
        return {name: value for name, value in features.items() if value is not None}


class RecommendRequest(_ItemsRequest, _UserRequest):
    """`/recommend`."""

    include_heard: bool = False
    """Recommend also what the user has streamed."""
    exploration: float | None = Field(None, ge=0, le=1)
    """Room for new and rare items; by default `serve.exploration`."""
    diversity: float | None = Field(None, ge=0, le=1)
    """How much the items differ from each other; by default `serve.diversity`."""
    types: ShortText | None = None
    """Several item types in one answer, with how many are at least of each: `audiobook:6,podcast:4`; `*` is all."""
    why: bool = False
    """Explain each item."""
    experiment: ShortText | None = None
    """Answer the user as their group of this experiment is answered, and log what is shown."""
    request_id: ShortText | None = None
    """Of a request in an experiment: the same one again draws the same slots and counts once; by default a new one."""

    @cached_property
    def asked_of_anybody(self) -> str | None:
        """What is asked, whoever the user is: one search answers requests of which it is the same. None: of this one
        nothing is, since it says more of the user than an id."""
        if self.user is None or self.likes or self.features or self.experiment:
            return None
        return self.model_dump_json(exclude={"user", "why", "request_id"})

    def query(self) -> Query:
        """The query for the recommender.

        Raises:
            SettingsError: item types and quotas that exclude each other.
        """
        return replace(
            super().query(),
            include_heard=self.include_heard,
            exploration=self.exploration,
            diversity=self.diversity,
            types=TypeQuota.parse(self.types) if self.types else (),
        )


class WhyRequest(_UserRequest):
    """`/why`."""

    item: ShortText
    """The item to explain: an id or a title."""


class SimilarRequest(_ItemsRequest):
    """`/similar`."""

    item: ShortText
    """An id or a title."""
    across: bool = False
    """Search all item types, unless `type` names one."""


class SearchRequest(_ItemsRequest):
    """`/search`."""

    q: str = Field(min_length=1, max_length=500)
    """The search text: what the items should be about."""


class TitlesRequest(_Request):
    """`/titles`."""

    q: ShortText
    """A part of a title."""
    k: int = Field(10, ge=1, le=50)
    """How many items."""


class NeighbourhoodRequest(_Request):
    """`/neighbourhood`."""

    item: ShortText
    """An id or a title."""
    k: int = Field(8, ge=1, le=30)
    """How many neighbours of each type."""


def _moment(word: object) -> int | str | None:
    if word is None or (isinstance(word, str) and word):
        moment: int | str | None = word
    elif isinstance(word, int | float) and not isinstance(word, bool) and word == round(word):
        moment = round(word)
    else:
        raise ValueError(_NO_MOMENT)
    try:
        if moment is not None and not abs(second(moment)) <= _FARTHEST:
            raise ValueError(_NO_MOMENT)
    except ValueError:
        raise ValueError(_NO_MOMENT) from None
    return moment


_NO_MOMENT = "it is to be seconds, a day or a time such as 2026-03-01T18:30:00Z"
_FARTHEST = 300_000_000_000
"""Seconds from 1970 to after the year 9999."""
_Moment = Annotated[
    int | str | None,
    BeforeValidator(_moment),
    WithJsonSchema({
        "anyOf": [
            {"type": "integer", "minimum": -_FARTHEST, "maximum": _FARTHEST},
            {"type": "string", "format": "date"},
            {"type": "string", "format": "date-time"},
            {"type": "null"},
        ]
    }),
]  # fmt: skip


class AvailabilityRow(_Request):
    """Where and when an item may be shown."""

    country: ShortText | None = None
    """Everywhere, if there is none."""
    begins: _Moment = Field(None, alias="from")
    """Seconds, a time or a day; since ever, if there is none."""
    until: _Moment = None
    """Seconds or a time at which it is over, or its last day; for ever, if there is none. A row that is over before it
    begins never holds."""

    def window(self) -> Window:
        """The row in seconds."""
        begin = None if self.begins is None else second(self.begins)
        return Window(self.country, begin, None if self.until is None else second(self.until, end=True))
