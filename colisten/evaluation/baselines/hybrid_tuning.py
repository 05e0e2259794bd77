"""Tuning of the hybrid: which collaborative model with which parameters, and the weights of text and popularity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from time import monotonic

from colisten.arrays import Floats
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.hybrid import Hybrid
from colisten.evaluation.baselines.validation_slice import ValidationSlice
from colisten.progress import Progress

WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""What text and popularity may each count beside collaborative filtering."""
SECONDS = 300.0
"""No further model is begun after so long."""


def tuned_hybrid(hybrid: Hybrid, models: Sequence[Baseline], validation: ValidationSlice, progress: Progress) -> Hybrid:
    """The hybrid of the model and the weights with the best validation NDCG; not fitted.

    Args:
        hybrid: its text.
        models: collaborative ones with parameters to choose among, tried in this order until `SECONDS` are over; one
            at least.
        validation: what to judge by.
        progress: says how many were tried.
    """
    began, best, highest, tried = monotonic(), hybrid, -1.0, 0
    for model in models:
        if tried and monotonic() - began > SECONDS:
            break
        fitted = replace(hybrid, collaborative=replace(model)).fit(validation.data)
        options = [
            replace(hybrid, collaborative=model, text_weight=text, popularity_weight=popularity)
            for text, popularity in product(WEIGHTS, WEIGHTS)
        ]
        ndcg = _ndcg(fitted, options, validation)
        place = max(range(len(options)), key=ndcg.__getitem__)
        if ndcg[place] > highest:
            best, highest = options[place], ndcg[place]
        tried += 1
    progress.say(
        f"hybrid: {tried} of {len(models)} collaborative models tried in {monotonic() - began:.0f} s (at most "
        f"{SECONDS:.0f} s, and the last one), each with {len(WEIGHTS) ** 2} mixes."
    )
    return best


def _ndcg(fitted: Hybrid, options: Sequence[Hybrid], validation: ValidationSlice) -> list[float]:
    """Of each of the weights in `options`, by the models in `fitted`."""

    def scores(some: slice) -> Iterator[Floats]:
        parts = fitted.parts(validation.users[some], validation.task.candidates)
        return (option.added(parts) for option in options)

    return [float(result.ndcg.mean()) for result in validation.task.judge(scores)]
