"""From run results to the tables: means over seeds, intervals over users, differences from the full model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from colisten.arrays import Floats64
from colisten.evaluation.intervals import bootstrap, interval
from colisten.evaluation.suite.run_results import SEGMENTS, RunResult
from colisten.evaluation.suite.variants import FULL, VARIANTS, Variant

DRAWS = 1000

Row = dict[str, Any]
"""Of one variant: `variant`, `about`, `printed` (HR@10 in the paper), `coverage@100`, `seconds`, and per metric

- `mean` over seeds and users, `low` and `high` (95 %, bootstrap over users),
- `seeds`: the mean under each seed,
- `change`: minus the full model, paired by user, with `low` and `high`.
"""


@dataclass(frozen=True)
class Comparison:
    """The paper's tables on this data."""

    item_type: str
    k: int
    users: dict[str, int]
    """Segment → test users."""
    rows: dict[str, list[Row]]
    """Segment → rows, in the order of the variants."""
    skip_reason: dict[str, str]
    """Variant → why it could not be trained."""

    @property
    def metrics(self) -> tuple[str, ...]:
        return (f"hr@{self.k}", "mrr@100", f"ndcg@{self.k}")


def compare(results: Mapping[str, Sequence[RunResult]], item_type: str, k: int, seed: int) -> Comparison:
    """Compare the variants segment by segment.

    `results`: variant → one result per seed (a single one where training is not random).
    """
    skip_reason = {name: found[0].skip_reason for name, found in results.items() if found[0].skip_reason}
    comparison = Comparison(item_type, k, {}, {}, skip_reason)
    for segment in SEGMENTS:
        served = {name: found for name, found in results.items() if segment in found[0].figures}
        if served:
            comparison.users[segment] = len(next(iter(served.values()))[0].users[segment])
            comparison.rows[segment] = _rows(served, segment, comparison.metrics, seed)
    return comparison


def _rows(served: Mapping[str, Sequence[RunResult]], segment: str, metrics: Sequence[str], seed: int) -> list[Row]:
    values = np.stack(  # [users, variants, metrics]
        [
            np.mean([[one.figures[segment][metric] for metric in metrics] for one in found], axis=0).T
            for found in served.values()
        ],
        axis=1,
    )
    draws = bootstrap(values.reshape(len(values), -1), DRAWS, np.random.default_rng(seed))
    means = draws.reshape(DRAWS, *values.shape[1:])
    full = list(served).index(FULL) if FULL in served else None
    variants = {one.name: one for one in VARIANTS}
    rows = []
    for place, (name, found) in enumerate(served.items()):
        row = _about(variants[name], found, segment)
        for at, metric in enumerate(metrics):
            row[metric] = _figure(values[:, place, at], means[:, place, at]) | {
                "seeds": [round(float(np.mean(one.figures[segment][metric])), 6) for one in found]
            }
            if full is not None and place != full:
                change = values[:, place, at] - values[:, full, at]
                row[metric]["change"] = _figure(change, means[:, place, at] - means[:, full, at])
        rows.append(row)
    return rows


def _about(variant: Variant, found: Sequence[RunResult], segment: str) -> Row:
    return {
        "variant": variant.name,
        "about": variant.about,
        "printed": variant.warm if segment == "warm" else variant.cold,
        "coverage@100": round(float(np.mean([one.coverage[segment] for one in found])), 6),
        "seconds": round(float(np.mean([one.seconds for one in found])), 1),
    }


def _figure(values: Floats64, means: Floats64) -> dict[str, Any]:
    low, high = interval(means[:, None])
    figures = {"mean": values.mean(), "low": low[0], "high": high[0]}
    return {name: round(float(value), 6) for name, value in figures.items()}
