"""Response models: the JSON of each route."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from colisten.serving.why.reasons import ReasonKind


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
    """Distinct users who streamed both."""
    weight: float
    """Cosine of the two items' listeners."""


class PathResponse(BaseModel):
    """A co-listening path: `items` from one the user heard to the one explained, and the edges between them."""

    items: list[ItemResponse]
    edges: list[EdgeResponse]
    strength: float


class ReasonResponse(BaseModel):
    """Why an item is recommended."""

    kind: ReasonKind
    words: str
    paths: list[PathResponse]
    about: dict[str, Any]
    """Evidence of other kinds than `listeners`: the item heard, the relation and its strength, say."""


class RankedItemResponse(ItemResponse):
    """An item with its score and rank."""

    score: float
    rank: int


class RecommendedItemResponse(RankedItemResponse):
    """A recommended item."""

    why: ReasonResponse | None = None
    """Given if requested."""


class ParticipantResponse(BaseModel):
    """The part that a user takes in an experiment."""

    name: str
    group: str
    request_id: str


class RecommendResponse(BaseModel):
    """The response of `/recommend`."""

    items: list[RecommendedItemResponse]
    notes: list[str]
    """Remarks on the recommendations, one sentence each."""
    experiment: ParticipantResponse | None = None
    """Given if the user takes part in the experiment that was named."""


class RankedItemsResponse(BaseModel):
    """The response of `/similar` and `/search`."""

    items: list[RankedItemResponse]


class TitlesResponse(BaseModel):
    """The response of `/titles`."""

    items: list[ItemResponse]


class NeighbourResponse(ItemResponse):
    """The other end of an edge."""

    relation: str
    weight: float
    """Strength of the edge, in (0, 1]."""
    listeners: int | None
    """Distinct users who streamed both, if the relation is co-listening."""
    step: float | None
    """By how many places of a series it comes behind the item, as far as known."""


class NeighbourGroupResponse(BaseModel):
    """The neighbours of an item by one relation, of one item type."""

    relation: str
    item_type: str
    degree: int
    """How many there are in all."""


class NeighbourhoodResponse(BaseModel):
    """An item and its strongest neighbours by each relation, of each type."""

    item: ItemResponse
    neighbours: list[NeighbourResponse]
    groups: list[NeighbourGroupResponse]


class RefusedRowResponse(BaseModel):
    """A row that is no event."""

    row: int
    """Its place in the list, from 0."""
    reason: str


class EventsResponse(BaseModel):
    """What became of the events that were sent."""

    accepted: int
    """On the disk now, and not there before."""
    duplicates: int
    """There already: the same `event_id`, or the same user, item, signal and second."""
    unknown_items: int
    """On items that are neither in the catalogue nor answered as new: kept for the run that knows them."""
    refused: list[RefusedRowResponse]


class UserResponse(BaseModel):
    """What is told of a user from now on."""

    user_id: str
    features: dict[str, float | str | None]


class ItemWordsResponse(BaseModel):
    """An item whose words were told."""

    item_id: str
    new: bool
    """It was not in the catalogue."""
    at_once: bool
    """It is new, and answered from now on."""
    note: str
    """When it takes effect."""


class LiveResponse(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


class HealthResponse(LiveResponse):
    """What is being served."""

    index: str
    items: int
    types: list[str] = Field(description="Item types that can be recommended, the target type first.")
    signals: list[str] = Field(description="Signals that events may have, those that mean listening first.")
    graph: bool = Field(description="Is Neo4j available for paths of shared listeners?")
    search: bool = Field(description="Can texts be searched? The first one waits some seconds for the encoder.")
    version: str


class WithdrawnResponse(BaseModel):
    """Whether an item is withdrawn from all answers now."""

    item_id: str
    withdrawn: bool


class AvailabilityResponse(BaseModel):
    """What is said now of where and when an item may be shown."""

    item_id: str
    rows: int
    known: bool = Field(description="Has the catalogue the item? If not, the rows hold from the run on that knows it.")


class UntoldResponse(BaseModel):
    """Whether something else than what the data says of an item's availability was told before."""

    item_id: str
    told: bool
