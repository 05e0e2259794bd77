"""`colisten experiment`: A/B tests from assignment to effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from colisten.cli.options import formatted, ids_in, opened, workdir_option
from colisten.cli.output import show
from colisten.errors import DataError


@click.group()
def experiment() -> None:
    """Compare recommendations in front of real users: assign groups, log what is shown, read the effect."""


@experiment.command()
@click.argument("name")
@click.argument("users", nargs=-1)
@workdir_option
@click.option(
    "--group", "groups", multiple=True, metavar="NAME=SHARE", default=("control=0.5", "treatment=0.5"),
    show_default=True, help="A group and its share of all users; the first is compared with.",
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
    salt: str | None,
    file: Path | None,
    style: str | None,
) -> None:
    """Lay the experiment NAME down and say which group USERS are in: the same one whenever and wherever it is asked.

    The group is a hash of salt and user id, so other systems can compute it, and nobody's group is written down.

    \b
    colisten experiment assign shelf u17 u18 --group control=0.5 --group fresh=0.5 --workdir W
    """
    from colisten.evaluation.experiment.groups import create_experiment

    folder, _ = opened(workdir)
    laid = create_experiment(folder.experiments, name, dict(map(_share, groups)), salt)
    asked = [*users, *(ids_in(file) if file else [])]
    show([{"user_id": user, "group": laid.group_of(user)} for user in asked], style)


@experiment.command()
@click.argument("name")
@workdir_option
@click.option("--days", type=click.FloatRange(0, min_open=True), help="Look at so many days after a first exposure.")
@click.option("--draws", type=click.IntRange(100), default=10_000, show_default=True, help="Bootstrap resamples.")
@formatted
def read(name: str, workdir: Path, days: float | None, draws: int, style: str | None) -> None:
    """Say what the groups of NAME did after they were shown something, from the imported data.

    stream_rate is the share of exposed users who streamed something after it was shown to them, new_start_rate the
    share who began an item of the shown types that they had never streamed. Intervals hold 95 % of bootstrap resamples
    of the users; a difference is one where its interval leaves out 0.

    \b
    colisten recommend --users ids.csv --experiment shelf --group fresh --out recs.parquet --workdir W
    colisten data import --data later/ --workdir W
    colisten experiment read shelf --days 14 --workdir W --table
    """
    from colisten.evaluation.experiment.exposures import read_exposures
    from colisten.evaluation.experiment.groups import open_experiment
    from colisten.evaluation.experiment.reading import read_experiment
    from colisten.listening.data import ListeningData

    folder, _ = opened(workdir)
    laid = open_experiment(folder.experiments, name)
    exposures = read_exposures(folder.experiments / name)
    if exposures is None:
        raise DataError(
            f"Nobody was shown anything in {name!r}: `colisten recommend --users F --experiment {name}` first."
        )
    show(map(asdict, read_experiment(laid, exposures, ListeningData(folder.listening), days=days, draws=draws)), style)


def _share(word: str) -> tuple[str, float]:
    name, _, share = word.partition("=")
    try:
        return name, float(share)
    except ValueError:
        raise click.UsageError(f"--group takes NAME=SHARE, not {word!r}: write for example fresh=0.5.") from None
