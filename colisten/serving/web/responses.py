"""What is answered, as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class ErrorResponse(BaseModel):
    """What went wrong and what to do, in one sentence."""

    error: str


class ItemResponse(BaseModel):
    """An item."""

    item_id: str
    item_type: str
    title: str | None


class EdgeResponse(BaseModel):
    """Two items with listeners in common."""

    listeners: int
    """Who heard both."""
    weight: float
    """Cosine of the two items' listeners."""


class PathResponse(BaseModel):
    """A co-listening path: `items` from what was heard to what is explained, and the edges between them."""

    items: list[ItemResponse]
    edges: list[EdgeResponse]
    strength: float


class ReasonResponse(BaseModel):
    """Why an item is recommended."""

    kind: Literal["listeners", "text", "popular", "model"]
    words: str
    paths: list[PathResponse]
    about: dict[str, Any]
    """Evidence where there are no paths."""


class RankedItemResponse(ItemResponse):
    """An item in an answer."""

    score: float
    rank: int


class RecommendedItemResponse(RankedItemResponse):
    """An item that somebody may want to hear."""

    why: ReasonResponse | None = None
    """Given if it was asked for."""


class RecommendResponse(BaseModel):
    """The answer of `/recommend`."""

    items: list[RecommendedItemResponse]
    notes: list[str]
    """What to know of the answer, one sentence each."""


class RankedItemsResponse(BaseModel):
    """The answer of `/similar` and `/search`."""

    items: list[RankedItemResponse]


class TitlesResponse(BaseModel):
    """The answer of `/titles`."""

    items: list[ItemResponse]


class NeighbourResponse(ItemResponse, EdgeResponse):
    """The other end of an edge."""


class NeighbourhoodResponse(BaseModel):
    """An item and its strongest neighbours of each type."""

    item: ItemResponse
    neighbours: list[NeighbourResponse]
    degrees: dict[str, int]
    """Item type → how many neighbours there are in all."""


class HealthResponse(BaseModel):
    """What is being served."""

    status: Literal["ok"] = "ok"
    index: str
    items: int
    types: list[str] = Field(description="Item types that can be asked for, the target type first.")
    graph: bool = Field(description="Can paths of shared listeners be asked for?")
    search: bool = Field(description="Is the text encoder loaded?")
    version: str
