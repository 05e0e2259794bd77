"""What a platform tells of an item between two catalogues: its texts, as the contract's table `items` has them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from colisten.listening.values import BLANKS


def _text(value: str) -> str:
    """Without null characters, which no database takes, and blanks around it."""
    return normalize("NFC", value.replace("\0", "")).strip(BLANKS)


def _present(values: list[str]) -> list[str]:
    return [value for value in values if value]


_Words = Annotated[str, Field(max_length=20_000), AfterValidator(_text)]
_Name = Annotated[str, Field(max_length=1000), AfterValidator(_text)]
_Names = Annotated[list[_Name], Field(max_length=100), AfterValidator(_present)]


class ItemWords(BaseModel):
    """Whatever is told replaces what the catalogue says of the item; null or empty leaves that as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    item_type: _Name | None = None
    """Needed for an item that is new."""
    title: _Words | None = None
    description: _Words | None = None
    language: _Name | None = None
    genres: _Names | None = None
    creators: _Names | None = None
    published: date | None = None
    """A day such as 2026-03-01."""
    series: _Name | None = None
    series_position: Annotated[float, Field(allow_inf_nan=False)] | None = None

    def told(self) -> dict[str, Any]:
        """The columns that are told, as JSON has them."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value not in (None, "", [])}
