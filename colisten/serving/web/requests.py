"""What may be asked, as query parameters: bounded, and a parameter that does not exist is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from colisten.serving.query import Query

Word = Annotated[str, Field(min_length=1, max_length=200)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class _ItemsRequest(_Request):
    k: int = Field(10, ge=1, le=100)
    """How many items."""
    type: Word | None = None
    """Item type; by default the target type, the item's own (`/similar`) or all (`/search`)."""
    language: list[Word] = Field(default_factory=list, max_length=20)
    """Only items in one of these languages."""
    genre: list[Word] = Field(default_factory=list, max_length=20)
    """Only items of one of these genres."""

    def query(self, *, include_heard: bool = False) -> Query:
        """In the words of the rest of Colisten."""
        return Query(self.k, self.type, tuple(self.language), tuple(self.genre), include_heard)


class _UserRequest(_Request):
    user: Word | None = None
    """A user's id, or nothing for somebody with no account."""
    likes: list[Word] = Field(default_factory=list, max_length=100)
    """What somebody with no account likes: item ids or titles."""
    country: Word | None = None
    """Where somebody with no account lives."""
    age: int | None = Field(None, ge=0, le=150)
    """How old somebody with no account is."""

    @property
    def features(self) -> dict[str, str]:
        """What is said of somebody with no account, by columns of the users table."""
        said = {"country": self.country, "age": None if self.age is None else str(self.age)}
        return {name: value for name, value in said.items() if value is not None}


class RecommendRequest(_ItemsRequest, _UserRequest):
    """`/recommend`."""

    include_heard: bool = False
    """Do not leave out what the user has streamed."""
    why: bool = False
    """Say why."""


class WhyRequest(_UserRequest):
    """`/why`."""

    item: Word
    """The item to explain: an id or a title."""


class SimilarRequest(_ItemsRequest):
    """`/similar`."""

    item: Word
    """An id or a title."""
    across: bool = False
    """Among all item types, where `type` names none."""


class SearchRequest(_ItemsRequest):
    """`/search`."""

    q: str = Field(min_length=1, max_length=500)
    """What it should be about, in words."""


class TitlesRequest(_Request):
    """`/titles`."""

    q: Word
    """A part of a title."""
    k: int = Field(10, ge=1, le=50)
    """How many items."""


class NeighbourhoodRequest(_Request):
    """`/neighbourhood`."""

    item: Word
    """An id or a title."""
    k: int = Field(8, ge=1, le=30)
    """How many neighbours of each type."""
