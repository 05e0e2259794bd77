"""The result of one run: a variant under one seed, scored user by user; kept, so that no run is repeated."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from colisten.errors import GraphError
from colisten.evaluation.beyond_accuracy import coverage
from colisten.evaluation.held_out_streams import HeldOutStreams
from colisten.evaluation.scores import DEPTH, score
from colisten.evaluation.suite.models import fit_variant
from colisten.evaluation.suite.shared_artefacts import SharedArtefacts
from colisten.evaluation.suite.variants import Variant
from colisten.workdir import write_json

RUNS = "runs"
"""Folder of the results within that of the suite."""
SEGMENTS = ("warm", "cold")
"""Users with some event of the target type in training, and those without (paper 5.1)."""


@dataclass(frozen=True)
class RunResult:
    """The metrics of a variant under one seed."""

    users: dict[str, list[str]]
    """Segment → user ids, in order."""
    figures: dict[str, dict[str, list[float]]]
    """Segment → metric → one value per user, in that order."""
    coverage: dict[str, float]
    """Segment → coverage@100 of its users' lists."""
    seconds: float
    skip_reason: str
    """Why there are no figures; empty where there are some."""


def run_result(variant: Variant, artefacts: SharedArtefacts, held_out: HeldOutStreams, seed: int, k: int) -> RunResult:
    """The result of a run: read from `artefacts.folder`, or trained, scored and kept there."""
    path = _file(artefacts.folder, variant.name, seed)
    if path.exists():
        return RunResult(**json.loads(path.read_text()))
    result = _train_and_score(variant, artefacts, held_out, seed, k)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(result))
    return result


def is_finished(folder: Path, variant: str, seed: int) -> bool:
    """Is the result of this run in the folder of the suite?"""
    return _file(folder, variant, seed).exists()


def _file(folder: Path, variant: str, seed: int) -> Path:
    return folder / RUNS / f"{variant}-{seed}.json"


def _train_and_score(
    variant: Variant, artefacts: SharedArtefacts, held_out: HeldOutStreams, seed: int, k: int
) -> RunResult:
    begin = time.monotonic()
    try:
        lists = fit_variant(variant, artefacts, seed).recommend(held_out.users.to_list(), DEPTH, held_out.item_type)
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
