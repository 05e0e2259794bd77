"""`colisten data`: check, import, synthesise and split listening data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from colisten.cli.options import Number, formatted, set_option, workdir_option
from colisten.cli.output import show
from colisten.settings import Settings

if TYPE_CHECKING:
    from colisten.listening.report import DataReport

_TIMES = ("first", "last")
_out = click.argument("out", type=click.Path(path_type=Path, file_okay=False))


@click.group()
def data() -> None:
    """Check, import, synthesise and split listening data."""


@data.command()
@click.argument("source")
@set_option
@formatted
def check(source: str, overrides: tuple[str, ...], style: str | None) -> None:
    """Report what is in SOURCE (a folder or an object-store prefix), and which rows an import would reject, and why.

    \b
    colisten data check listening/ --set target=audiobook
    """
    from colisten.listening.report import check_data
    from colisten.progress import Progress

    with Progress() as progress:
        report = check_data(source, Settings.load(overrides), progress)
    show(_rows(report), style)


@data.command(name="import")
@click.option("--data", "source", required=True, metavar="DIR", help="Folder or object-store prefix of listening data.")
@workdir_option
@set_option
def import_(source: str, workdir: Path, overrides: tuple[str, ...]) -> None:
    """Check listening data and keep it in the working folder; bad rows go to W/listening/rejected.parquet.

    \b
    colisten data import --data listening/ --workdir W
    """
    from colisten.cli.partial import run_only

    run_only(["listening"], workdir, overrides, source)


@data.command()
@_out
@click.option("--users", type=click.IntRange(10), default=3000, show_default=True)
@click.option("--audiobooks", type=click.IntRange(10), default=800, show_default=True)
@click.option("--podcasts", type=click.IntRange(10), default=600, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True)
@click.option(
    "--per-user", type=Number(0, 100_000, min_open=True), metavar="ITEMS",
    help="Mean number of different items that a user streams; by default what comes of the item types, about 19.",
)  # fmt: skip
@click.option(
    "--followers", type=Number(0, 1), default=0, show_default=True, metavar="SHARE",
    help="Share of the users who go on with series and creators.",
)  # fmt: skip
def synth(
    out: Path, users: int, audiobooks: int, podcasts: int, seed: int, per_user: float | None, followers: float
) -> None:
    """Write synthetic listening data to OUT, with the true preferences behind it in OUT/truth.

    \b
    colisten data synth world/ --users 5000
    colisten data synth sparse/ --users 15000 --audiobooks 30000 --podcasts 30000 --per-user 11
    colisten data synth series/ --followers 0.5
    """
    from colisten.listening.synth.world import make_world

    make_world(
        out, users=users, audiobooks=audiobooks, podcasts=podcasts, seed=seed, per_user=per_user, followers=followers
    )


@data.command()
@click.argument("source")
@_out
@click.option("--target", help="Item type whose streams are held out; by default the target type of the settings.")
@click.option("--also", multiple=True, metavar="TYPE", help="A further item type to hold out; may be repeated.")
@click.option("--days", type=Number(0, min_open=True), help="Hold out the last days.")
@click.option("--quantile", type=Number(0, 1), help="Cut where this share of the target's streams has passed.")
@click.option("--holdout", type=Number(0, 1), help="Data without times: hold out this share of streams.")
@click.option("--cold", type=Number(0, 1), default=0.1, show_default=True, help="With --holdout: cold users.")
@set_option
def split(
    source: str,
    out: Path,
    target: str | None,
    also: tuple[str, ...],
    days: float | None,
    quantile: float | None,
    holdout: float | None,
    cold: float,
    overrides: tuple[str, ...],
) -> None:
    """Split SOURCE into OUT/train, which a recommender may see, and OUT/test.parquet, on which it is evaluated.

    \b
    colisten data split listening/ S --target audiobook --days 14
    colisten data split listening/ S --target movie --holdout 0.2
    """
    from colisten.listening.split import ByDays, ByQuantile, HoldOut, split_data

    by_time = [ByDays(days) if days else None, ByQuantile(quantile) if quantile else None]
    chosen = [how for how in (*by_time, HoldOut(holdout, cold) if holdout else None) if how]
    if len(chosen) != 1:
        raise click.UsageError("Name one of --days, --quantile (data with times) or --holdout (data without).")
    settings = Settings.load([*overrides, *([f"target={target}"] if target else [])])
    summary = split_data(source, out, settings, chosen[0], also)
    show([asdict(summary) | ({"cut_time": _time(summary.cut)} if summary.cut else {})], "json")


def _rows(report: DataReport) -> Iterator[dict[str, object]]:
    for topic, value in asdict(report).items():
        if isinstance(value, Mapping):
            yield from ({"about": topic, "what": what, "figure": figure} for what, figure in value.items())
        elif topic == "warnings":
            yield from ({"about": "warning", "what": warning, "figure": None} for warning in value)
        else:
            yield {"about": topic, "what": "", "figure": _time(value) if topic in _TIMES else value}


def _time(second: float | None) -> str | None:
    """The second (UTC) as people write it."""
    return None if second is None else datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
