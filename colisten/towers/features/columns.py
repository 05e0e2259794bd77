"""Feature encoding of the users table: a column is fitted once and kept as JSON; NumPy alone applies it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from colisten.arrays import Floats
from colisten.errors import DataError

Values = Sequence[object]
VALUES_PER_COLUMN = 64
"""Most frequent values of a text column that get a place of their own."""
MIN_USERS = 3
"""A value that fewer users have is not learned, but treated like one never seen."""


@dataclass(frozen=True)
class NumberColumn:
    """A standardised number, and a flag where it is missing."""

    kind: ClassVar = "number"
    name: str
    mean: float
    scale: float

    @property
    def width(self) -> int:
        return 2

    def encode(self, values: Values) -> Floats:
        numbers = _numbers(values)
        known = np.isfinite(numbers)
        standard = np.where(known, (numbers - self.mean) / self.scale, 0).clip(-5, 5)
        return np.stack([standard, ~known], axis=1).astype(np.float32)


@dataclass(frozen=True)
class TextColumn:
    """One place per frequent value, one for any other value, one where it is missing."""

    kind: ClassVar = "text"
    name: str
    values: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.values) + 2

    def encode(self, values: Values) -> Floats:
        place = {value: i for i, value in enumerate(self.values)}
        other, missing = len(self.values), len(self.values) + 1
        codes = [missing if value is None else place.get(str(value), other) for value in values]
        return np.eye(self.width, dtype=np.float32)[np.asarray(codes, np.int64)]


@dataclass(frozen=True)
class VectorColumn:
    """A ready vector scaled to unit length, and a flag where it is missing."""

    kind: ClassVar = "vector"
    name: str
    dim: int

    @property
    def width(self) -> int:
        return self.dim + 1

    def encode(self, values: Values) -> Floats:
        out = np.zeros((len(values), self.width), np.float32)
        known = [i for i, value in enumerate(values) if value is not None]
        out[:, -1] = 1
        out[known, -1] = 0
        vectors = [values[i] for i in known]
        if any(len(vector) != self.dim for vector in vectors):  # type: ignore[arg-type]  # object: distinguished here
            raise DataError(
                f"A user's {self.name} has not {self.dim} numbers as in training: give vectors of one length."
            )
        if known:
            out[known, :-1] = _unit(np.asarray(vectors, np.float32))
        return out


Column = NumberColumn | TextColumn | VectorColumn


def fit_columns(features: Mapping[str, Values]) -> tuple[Column, ...]:
    """Learn how to encode each column that has at least one known value."""
    fitted = (_fit(name, [v for v in values if v is not None]) for name, values in sorted(features.items()))
    return tuple(column for column in fitted if column is not None)


def encode_columns(columns: Sequence[Column], features: Mapping[str, Values], users: int) -> Floats:
    """Every column side by side, [users, total width]; one that is not given counts as missing."""
    missing = [None] * users
    parts = [column.encode(features.get(column.name, missing)) for column in columns]
    return np.concatenate([np.empty((users, 0), np.float32), *parts], axis=1)


def to_json(column: Column) -> dict[str, Any]:
    """What a spec keeps of a fitted column."""
    return {"kind": column.kind} | asdict(column)


def from_json(found: Mapping[str, Any]) -> Column:
    """The column that `to_json` kept."""
    match found["kind"]:
        case "number":
            return NumberColumn(found["name"], found["mean"], found["scale"])
        case "text":
            return TextColumn(found["name"], tuple(found["values"]))
        case _:
            return VectorColumn(found["name"], found["dim"])


def _fit(name: str, known: Values) -> Column | None:
    if not known:
        return None
    if isinstance(known[0], (list, tuple, np.ndarray)):
        return VectorColumn(name, len(known[0]))
    if isinstance(known[0], (int, float)) and not isinstance(known[0], bool):
        numbers = _numbers(known)
        return NumberColumn(name, float(np.nanmean(numbers)), float(np.nanstd(numbers)) or 1.0)
    frequent = Counter(str(value) for value in known).most_common(VALUES_PER_COLUMN)
    return TextColumn(name, tuple(sorted(value for value, users in frequent if users >= MIN_USERS)))


def _numbers(values: Values) -> npt.NDArray[np.float64]:
    try:
        return np.asarray([np.nan if value is None else value for value in values], np.float64)
    except (TypeError, ValueError):
        return np.asarray([_number(value) for value in values], np.float64)


def _number(value: object) -> float:
    """A word where training saw numbers is no error: that user's value is unknown."""
    try:
        return float(str(value))
    except ValueError:
        return float("nan")


def _unit(vectors: Floats) -> Floats:
    scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return scaled
