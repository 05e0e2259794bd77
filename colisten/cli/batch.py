"""Answers for many users in one file, and what was shown in an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colisten.errors import SettingsError
from colisten.serving.experiment.arms import Arm
from colisten.serving.experiment.groups import open_experiment
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.workdir import Workdir


def answer_many(
    workdir: Workdir, settings: Settings, recommender: Recommender, ids: Sequence[str], query: Query, out: Path
) -> list[str]:
    """Answer everybody in the Parquet file `out`; returns the users never seen before."""
    from colisten.progress import Progress  # here, since they take rich and pyarrow: one user is answered without

    with Progress() as progress:
        if settings.engine == "spark":
            from colisten.serving.many_on_spark import recommend_on_spark

            unknown = recommend_on_spark(out, workdir, settings, recommender, ids, query, progress)
        else:
            from colisten.serving.many import recommend_to

            unknown = recommend_to(out, recommender, ids, query, progress)
        progress.say(f"{len(set(ids)):,} users answered in {out}.")
    return unknown


def arm_of(folder: Path, name: str, group: str | None) -> Arm:
    """How `group` of the experiment `name` is answered, or all groups if None.

    Raises:
        SettingsError: there is no such experiment or group, groups are answered differently, or it explores.
    """
    experiment = open_experiment(folder, name)
    experiment.members([], group)
    arms = [experiment.arm(one) for one in experiment.groups if group in (None, one)]
    if any(arm != arms[0] for arm in arms):
        raise SettingsError(f"The groups of {name!r} are answered differently: name one of them with --group.")
    if arms[0].epsilon:
        raise SettingsError(f"A group of {name!r} that explores is answered over HTTP: /recommend?experiment={name}.")
    return arms[0]


def answer_group(
    workdir: Workdir, settings: Settings, name: str, group: str | None, recommender: Recommender, ids: Sequence[str],
    query: Query, out: Path,
) -> list[str]:  # fmt: skip
    """Like `answer_many`, for those of the users who take part in the experiment `name`, and logged there.

    Args:
        workdir: with the experiments.
        settings: those of the working folder.
        name: of the experiment.
        group: only users of this group; None: of all groups.
        recommender: what is compared.
        ids: users; the same list does for every group.
        query: what to answer.
        out: Parquet file.

    Raises:
        SettingsError: there is no such experiment or group.
    """
    import polars as pl

    from colisten.evaluation.experiment.exposures import log_exposures

    group_of = open_experiment(workdir.experiments, name).members(ids, group)
    unknown = answer_many(workdir, settings, recommender, list(group_of), query, out)
    log_exposures(workdir.experiments / name, pl.scan_parquet(out, glob=False), group_of, recommender.collection.name)
    return unknown
