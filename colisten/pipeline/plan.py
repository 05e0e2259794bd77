"""What a run will take: core seconds, memory and disk of each stage, by measured slopes, for data of a given size.

An estimate, good to a factor of two: it tells whether a run is one of minutes or of hours, and whether it fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from colisten.listening.sizes import DataSize
from colisten.settings import Settings

_MB = 1 << 20


@dataclass(frozen=True)
class Slope:
    """What a stage takes for each unit of what it grows with; `once` is what it takes however little there is."""

    stage: str
    seconds: Mapping[str, float]
    """Of one core; of as many cores as there are where the stage uses them."""
    memory: Mapping[str, float]
    """Bytes at its peak."""
    disk: Mapping[str, float]
    """Bytes that it leaves in the working folder."""
    bound_mb: str = ""
    """The setting that bounds what memory grows by."""
    processes: str = ""
    """The setting of how many processes take this memory each."""


SLOPES = (
    Slope(
        "listening",
        {"once": 2, "interactions": 4e-6},
        {"once": 250 * _MB, "interactions": 290},
        {"interactions": 11, "items": 300},
        "listening.memory_mb",
    ),
    Slope(
        "edges", {"once": 4, "pairs": 83e-9}, {"once": 220 * _MB, "interactions": 79}, {"edges": 6}, "graph.memory_mb"
    ),
    Slope("text", {"once": 8, "items": 4.2e-3}, {"once": 1000 * _MB, "items": 3100}, {"items": 4540}),
    Slope("relations", {"once": 1, "items": 0.4e-3}, {"once": 400 * _MB, "items": 3500}, {"items": 90}),
    Slope("graph", {"once": 20, "edges": 3.6e-6}, {"once": 250 * _MB, "edges": 60}, {"once": 256 * _MB, "edges": 105}),
    Slope(
        "gnn",
        {"once": 10, "drawn edges": 40e-6, "item epochs": 0.13e-3},
        {"once": 2200 * _MB, "items": 17_000, "edges": 30},
        {"once": 2 * _MB},
        processes="gnn.devices",
    ),
    Slope("embed", {"once": 4, "edges": 17e-6}, {"once": 1000 * _MB, "items": 2100}, {"items": 256}),
    Slope(
        "towers",
        {"once": 5, "trials": 1, "drawn pairs": 100e-6, "items": 3e-3},
        {"once": 2600 * _MB, "items": 7000, "held histories": 1},
        {"once": 5 * _MB, "items": 3100},
        processes="towers.devices",
    ),
    Slope("item_weights", {"once": 1, "items": 2.9e-4}, {"once": 300 * _MB, "items": 200}, {"items": 400}),
    Slope(
        "profiles",
        {"once": 1, "interactions": 3e-6},
        {"once": 300 * _MB, "users": 200},
        {"interactions": 13, "users": 200},
    ),
    Slope(
        "index",
        {"once": 2, "items": 1.5e-4},
        {"once": 300 * _MB, "items": 18_000, "int8 items": 579},
        {"collections": 4216, "int8 collections": 579},
    ),
)
"""Where they come from: docs/cost.md."""

_BAGS, _ENTRY = 2_500, 64
"""Bytes of a user's history and of an event in it, while the towers hold it."""
_EDGES_PER_ITEM = 15.2
"""With ten kept per item and edge type."""


@dataclass(frozen=True)
class Estimate:
    """What a stage will take, about."""

    stage: str
    seconds: float
    memory: float
    """Bytes."""
    disk: float
    """Bytes."""
    grows_with: tuple[str, ...]
    """What most of its time grows with first."""


@dataclass(frozen=True)
class Plan:
    """What a run will take, stage by stage."""

    estimates: Sequence[Estimate]
    neo4j: float
    """Bytes of memory of the managed server, beside the stages; zero where another one is named."""

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.estimates)

    @property
    def memory(self) -> float:
        """Bytes at the peak, Neo4j included."""
        return max(one.memory for one in self.estimates) + self.neo4j

    @property
    def disk(self) -> float:
        return sum(one.disk for one in self.estimates)


def plan(size: DataSize, settings: Settings) -> Plan:
    """Estimate a run on so much data."""
    units = _units(size, settings)
    # heap, half as much for pages, and what Java needs itself
    neo4j = 0 if settings.neo4j.uri else (1.5 * settings.neo4j.memory_mb + 300) * _MB
    return Plan([_estimate(slope, units, settings) for slope in SLOPES], neo4j)


def _units(size: DataSize, settings: Settings) -> dict[str, float]:
    cap = 10 if settings.graph.top_k is None else settings.graph.top_k
    all_pairs = size.pairs / 2
    edges = min(all_pairs, _EDGES_PER_ITEM * size.items * cap / 10) if cap else all_pairs
    epochs, towers, int8 = settings.gnn.max_epochs, settings.towers, settings.qdrant.quantization == "int8"
    return {
        "once": 1,
        "interactions": size.interactions,
        "users": size.users,
        "items": size.items,
        "pairs": size.pairs,
        "edges": edges,
        "drawn edges": epochs * min(settings.gnn.edges_per_epoch, edges),
        "item epochs": epochs * size.items,
        "trials": 60 * towers.minutes,
        "drawn pairs": towers.epochs * min(towers.pairs_per_epoch, 2 * size.target),
        "held histories": min(_BAGS * size.users + _ENTRY * size.interactions, towers.cache_mb * _MB),
        "collections": settings.qdrant.keep * size.items,
        "int8 items": int8 * size.items,
        "int8 collections": int8 * settings.qdrant.keep * size.items,
    }


def _estimate(slope: Slope, units: Mapping[str, float], settings: Settings) -> Estimate:
    times = {unit: each * units[unit] for unit, each in slope.seconds.items()}
    grown = sum(each * units[unit] for unit, each in slope.memory.items() if unit != "once")
    if slope.bound_mb:
        grown = min(grown, _value(settings, slope.bound_mb) * _MB)
    processes = _value(settings, slope.processes) if slope.processes else 1
    disk = sum(each * units[unit] for unit, each in slope.disk.items())
    return Estimate(
        slope.stage,
        sum(times.values()),
        processes * (slope.memory["once"] + grown),
        disk,
        tuple(sorted((unit for unit in times if unit != "once"), key=lambda unit: -times[unit])),
    )


def _value(settings: Settings, key: str) -> int:
    return int(attrgetter(key)(settings))
