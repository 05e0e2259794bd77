"""How a group of an A/B test is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from colisten.errors import SettingsError
from colisten.serving.query import Query, TypeQuota


class Arm(BaseModel):
    """The answer of one group; what it does not name is answered as without an experiment."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    index: str | None = Field(None, min_length=1, max_length=200)
    """Collection of `colisten index list`; none: the live one."""
    exploration: float | None = Field(None, ge=0, le=1)
    """Room for new and rare items, as in `serve.exploration`."""
    diversity: float | None = Field(None, ge=0, le=1)
    """How much the items of an answer differ from each other, as in `serve.diversity`."""
    types: str | None = Field(None, min_length=1, max_length=200)
    """Item types of a mixed answer, with how many are at least of each, as in `/recommend?types=`."""
    epsilon: float = Field(0.0, ge=0, le=0.5)
    """Probability of each slot to be filled at random from the pool: its propensities are logged."""
    pool: int = Field(50, ge=2, le=1000)
    """The so many best items, from which such slots are filled."""

    def query(self, asked: Query) -> Query:
        """The query of a request as this group is answered: its settings go before those of the request."""
        named = {name: value for name in ("exploration", "diversity") if (value := getattr(self, name)) is not None}
        if self.types is None:
            return replace(asked, **named)
        return replace(asked, **named, item_type=None, types=TypeQuota.parse(self.types))

    @model_validator(mode="after")
    def _possible(self) -> Self:
        quotas = [] if self.types is None else [quota.least for quota in TypeQuota.parse(self.types)]
        if any(quotas) and self.epsilon:
            raise SettingsError("A group with quotas of item types cannot explore: leave out its epsilon.")
        return self


def parse_arm(group: str, values: Mapping[str, object]) -> Arm:
    """Check the settings of a group.

    Raises:
        SettingsError: there is no such setting, or a value cannot be.
    """
    try:
        return Arm.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise SettingsError(f"A group has no setting {key!r}: there are {', '.join(Arm.model_fields)}.") from None
        raise SettingsError(f"The setting {group}.{key} cannot be used: {first['msg'].lower()}.") from None
