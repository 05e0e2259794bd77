"""What is answered, as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Error(BaseModel):
    """What went wrong and what to do, in one sentence."""

    error: str


class Named(BaseModel):
    """An item."""

    item_id: str
    item_type: str
    title: str | None


class Edge(BaseModel):
    """Two items with listeners in common."""

    listeners: int
    """Who heard both."""
    weight: float
    """Cosine of the two items' listeners."""


class Way(BaseModel):
    """A co-listening path: `items` from what was heard to what is explained, and the edges between them."""

    items: list[Named]
    edges: list[Edge]
    strength: float


class Reason(BaseModel):
    """Why an item is recommended."""

    kind: Literal["listeners", "text", "popular", "model"]
    words: str
    paths: list[Way]
    about: dict[str, Any]
    """Evidence where there are no paths."""


class Ranked(Named):
    """An item in an answer."""

    score: float
    rank: int


class Recommended(Ranked):
    """An item that somebody may want to hear."""

    why: Reason | None = None
    """Given if it was asked for."""


class Recommendations(BaseModel):
    """The answer of `/recommend`."""

    items: list[Recommended]
    notes: list[str]
    """What to know of the answer, one sentence each."""


class Found(BaseModel):
    """The answer of `/similar` and `/search`."""

    items: list[Ranked]


class Titles(BaseModel):
    """The answer of `/titles`."""

    items: list[Named]


class Neighbour(Named, Edge):
    """The other end of an edge."""


class Neighbourhood(BaseModel):
    """An item and its strongest neighbours of each type."""

    item: Named
    neighbours: list[Neighbour]
    degrees: dict[str, int]
    """Item type → how many neighbours there are in all."""


class Health(BaseModel):
    """What is being served."""

    status: Literal["ok"] = "ok"
    index: str
    items: int
    types: list[str] = Field(description="Item types that can be asked for, the target type first.")
    graph: bool = Field(description="Can paths of shared listeners be asked for?")
    search: bool = Field(description="Is the text encoder loaded?")
    version: str
