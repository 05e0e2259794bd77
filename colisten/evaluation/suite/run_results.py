"""One cell of the comparison: a variant under one seed, judged user by user; kept, so that none is made twice."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from colisten.errors import GraphError
from colisten.evaluation.held_out_streams import HeldOutStreams
from colisten.evaluation.metrics_lists import coverage
from colisten.evaluation.scores import DEPTH, score
from colisten.evaluation.suite.models import fitted
from colisten.evaluation.suite.shared_artefacts import SharedArtefacts
from colisten.evaluation.suite.variants import Variant
from colisten.workdir import write_json

SEGMENTS = ("warm", "cold")
"""Users who touched the target type in training, and those who did not (paper 5.1)."""


@dataclass(frozen=True)
class RunResult:
    """What a variant reached under one seed."""

    users: dict[str, list[str]]
    """Segment → users, in order."""
    figures: dict[str, dict[str, list[float]]]
    """Segment → metric → one value per user, in that order."""
    coverage: dict[str, float]
    """Segment → share of the catalogue among the first 100 of anybody."""
    seconds: float
    skip_reason: str
    """Why there are no figures, where there are none."""


def run_result(variant: Variant, artefacts: SharedArtefacts, held_out: HeldOutStreams, seed: int, k: int) -> RunResult:
    """Find the cell in `artefacts.folder`, or make it and keep it there."""
    kept = _file(artefacts.folder, variant.name, seed)
    if kept.exists():
        return RunResult(**json.loads(kept.read_text()))
    found = _made(variant, artefacts, held_out, seed, k)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_json(kept, asdict(found))
    return found


def is_kept(folder: Path, variant: str, seed: int) -> bool:
    """Has this cell been made?"""
    return _file(folder, variant, seed).exists()


def _file(folder: Path, variant: str, seed: int) -> Path:
    return folder / "cells" / f"{variant}-{seed}.json"


def _made(variant: Variant, artefacts: SharedArtefacts, held_out: HeldOutStreams, seed: int, k: int) -> RunResult:
    begin = time.monotonic()
    try:
        lists = fitted(variant, artefacts, seed).recommend(held_out.users.to_list(), DEPTH, held_out.item_type)
    except GraphError as error:
        return RunResult({}, {}, {}, 0.0, str(error))
    scores = score(held_out, lists, k)
    served = {name: scores.accuracy[name] for name in SEGMENTS if name in scores.accuracy}
    if not variant.serves_cold:
        served.pop("cold", None)
    return RunResult(
        users={name: table["user_id"].to_list() for name, table in served.items()},
        figures={
            name: {metric: table[metric].to_list() for metric in table.columns[1:]} for name, table in served.items()
        },
        coverage={name: _coverage(lists, table, held_out) for name, table in served.items()},
        seconds=round(time.monotonic() - begin, 1),
        skip_reason="",
    )


def _coverage(lists: pl.DataFrame, users: pl.DataFrame, held_out: HeldOutStreams) -> float:
    return coverage(lists.join(users, on="user_id", how="semi"), DEPTH, len(held_out.catalogue))
