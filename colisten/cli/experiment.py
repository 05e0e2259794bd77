"""`colisten experiment`: A/B tests, from assignment to effect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from colisten.cli.options import Number, formatted, opened, workdir_option
from colisten.cli.output import show
from colisten.cli.user_list import ids_in
from colisten.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from colisten.workdir import Workdir


@click.group()
def experiment() -> None:
    """Compare recommendations in front of real users: assign groups, log what is shown, read the effect."""


@experiment.command()
@click.argument("name")
@click.argument("users", nargs=-1)
@workdir_option
@click.option(
    "--group", "groups", multiple=True, metavar="NAME=SHARE", default=("control=0.5", "treatment=0.5"),
    show_default=True, help="A group and its share of all users; the first is the control.",
)  # fmt: skip
@click.option(
    "--arm", "arms", multiple=True, metavar="GROUP.KEY=VALUE",
    help="How a group is answered, by index, exploration, diversity, types, epsilon, pool.",
)  # fmt: skip
@click.option("--salt", help="What the hash begins with; by default the name of the experiment.")
@click.option(
    "--users", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Many users: one id a line."
)
@formatted
def assign(
    name: str,
    users: Sequence[str],
    workdir: Path,
    groups: Sequence[str],
    arms: Sequence[str],
    salt: str | None,
    file: Path | None,
    style: str | None,
) -> None:
    """Create the experiment NAME and print the group of each of USERS, which is always the same.

    The group is a hash of salt and user id, so other systems can compute it, and no assignment is stored. Of a group
    with an epsilon, each slot of an answer is filled at random from the pool of the best items with that probability.

    \b
    colisten experiment assign shelf u17 u18 --group control=0.5 --group fresh=0.5 --workdir W
    colisten experiment assign mood --group control=0.9 --group explorer=0.1 --arm explorer.epsilon=0.1 --workdir W
    """
    from colisten.serving.experiment.groups import create_experiment

    folder, _ = opened(workdir)
    ab_test = create_experiment(folder.experiments, name, dict(map(_share, groups)), salt, _arms(arms))
    user_ids = [*users, *(ids_in(file) if file else [])]
    show([{"user_id": user, "group": ab_test.group_of(user)} for user in user_ids], style)


@experiment.command()
@click.argument("name")
@workdir_option
@click.option("--days", type=Number(0, min_open=True), help="Look at so many days after a first exposure.")
@click.option("--draws", type=click.IntRange(100), default=10_000, show_default=True, help="Bootstrap resamples.")
@formatted
def read(name: str, workdir: Path, days: float | None, draws: int, style: str | None) -> None:
    """Print the rates of the groups of NAME after their first exposure, from imported data and posted events.

    stream_rate is the share of exposed users who streamed something after it was shown to them, new_start_rate the
    share who began an item of the shown types that they had never streamed. Intervals hold 95 % of bootstrap resamples
    of the users; a difference is significant where its interval leaves out 0.

    \b
    colisten recommend --users ids.csv --experiment shelf --group fresh --out recs.parquet --workdir W
    colisten data import --data later/ --workdir W
    colisten experiment read shelf --days 14 --workdir W --table
    """
    from colisten.evaluation.experiment.analysis import analyse_experiment
    from colisten.evaluation.experiment.streams import streams_of
    from colisten.serving.experiment.groups import open_experiment

    folder, _ = opened(workdir)
    ab_test = open_experiment(folder.experiments, name)
    exposures = _exposures(folder, name)
    streams = streams_of(folder)
    show(map(asdict, analyse_experiment(ab_test, exposures, streams, days=days, draws=draws)), style)


@experiment.command()
@click.argument("name")
@workdir_option
@click.option(
    "--policy", "table", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The policy as recommendations: user_id, item_id, rank; Parquet or CSV.",
)  # fmt: skip
@click.option(
    "--arm", "words", multiple=True, metavar="KEY=VALUE",
    help="The policy as an answer, by index, exploration, diversity, types.",
)  # fmt: skip
@click.option("--group", help="Judge by what this group was shown; by all that explore by default.")
@click.option(
    "--days", type=Number(0, min_open=True), default=7, show_default=True,
    help="A slot is rewarded by a stream of its item in so many days after the answer.",
)  # fmt: skip
@formatted
def estimate(
    name: str,
    workdir: Path,
    table: Path | None,
    words: Sequence[str],
    group: str | None,
    days: float,
    style: str | None,
) -> None:
    """Estimate what other answers would bring, from the exposures of NAME and what was streamed since.

    The value is the expected number of an answer's items that the user streams, by inverse propensities (ips),
    self-normalised ones (snips) and doubly robust (dr), beside that of the answers as they were (logged). Intervals of
    95 % are clustered by user. An answer by --arm is that of the collection that had answered, to what the user had
    heard by then.

    \b
    colisten experiment estimate mood --policy recs.parquet --workdir W --table
    colisten experiment estimate mood --arm diversity=0.3 --days 14 --workdir W
    """
    from colisten.evaluation.experiment.logged_slots import exploring, logged_slots, policy_table
    from colisten.evaluation.experiment.off_policy import estimate_policy
    from colisten.evaluation.experiment.replay import replayed
    from colisten.evaluation.experiment.streams import streams_of
    from colisten.serving.experiment.arms import parse_arm
    from colisten.serving.experiment.groups import open_experiment

    if (table is None) == (not words):
        raise click.UsageError("Name the policy: --policy FILE, or --arm KEY=VALUE.")
    folder, settings = opened(workdir)
    exposures = exploring(_exposures(folder, name), open_experiment(folder.experiments, name), group)
    if table:
        policy = policy_table(table)
    else:
        arm = parse_arm("policy", _arms(f"policy.{word}" for word in words)["policy"])
        policy = replayed(folder, settings, arm, exposures)
    streams = streams_of(folder)
    show(map(asdict, estimate_policy(logged_slots(exposures, policy, streams, days=days))), style)


def _exposures(folder: Workdir, name: str) -> pl.LazyFrame:
    from colisten.evaluation.experiment.exposures import read_exposures

    exposures = read_exposures(folder.experiments / name)
    if exposures is None:
        raise DataError(
            f"Nothing was shown in {name!r} yet: ask `colisten serve` for /recommend?experiment={name}, or "
            f"`colisten recommend --users F --experiment {name} --out G`."
        )
    return exposures


def _arms(words: Iterable[str]) -> dict[str, dict[str, object]]:
    arms: dict[str, dict[str, object]] = {}
    for word in words:
        name, separator, value = word.partition("=")
        group, dot, key = name.partition(".")
        if not separator or not dot:
            raise click.UsageError(f"--arm takes GROUP.KEY=VALUE, not {word!r}: write for example fresh.epsilon=0.1.")
        arms.setdefault(group, {})[key] = value
    return arms


def _share(word: str) -> tuple[str, float]:
    name, _, share = word.partition("=")
    try:
        return name, float(share)
    except ValueError:
        raise click.UsageError(f"--group takes NAME=SHARE, not {word!r}: write for example fresh=0.5.") from None
