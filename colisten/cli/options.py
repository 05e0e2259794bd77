"""Options that many commands share, and the settings they lead to."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any

import click

from colisten.errors import WorkdirError
from colisten.settings import Settings
from colisten.workdir import Workdir


def _remembered(ctx: click.Context, _: click.Parameter, workdir: Path) -> Path:
    ctx.meta[__name__] = workdir
    return workdir


workdir_option = click.option(
    "--workdir", "-w", type=click.Path(path_type=Path, file_okay=False), default=Path("colisten-work"),
    callback=_remembered, envvar="COLISTEN_WORKDIR", show_default=True, show_envvar=True,
    help="Folder that holds everything Colisten makes.",
)  # fmt: skip
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting; `colisten config` lists them."
)


class Number(click.FloatRange):
    """A number in a range: nan, which compares with nothing, is in none, and inf in none that is open upwards."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not isfinite(number):
            self.fail(f"{number} is no number to reckon with.", param, ctx)
        return number


def filtered(command: click.decorators.FC) -> click.decorators.FC:
    """Give a question `--language` and `--genre`, which arrive as `languages` and `genres`."""
    language = click.option(
        "--language", "languages", multiple=True, help="Only items in this language; may be repeated."
    )
    genre = click.option("--genre", "genres", multiple=True, help="Only items of this genre; may be repeated.")
    return language(genre(command))


def formatted(command: click.decorators.FC) -> click.decorators.FC:
    """Give a listing `--json`, `--csv` and `--table`; the choice arrives as `style`."""
    for style, text in (
        ("table", "A table for people."),
        ("csv", "CSV with a header."),
        ("json", "One JSON object a line."),
    ):
        command = click.option(f"--{style}", "style", flag_value=style, help=text)(command)
    return command


def say_what_is_damaged(ctx: click.Context, error: BaseException) -> None:
    """Name what is wrong behind an unforeseen error, where files of the working folder are not as they were written.

    Contents are compared where sizes are as they were.

    Raises:
        WorkdirError: a file is damaged or gone.
    """
    from colisten.pipeline.records import all_damage

    workdir = ctx.meta.get(__name__)
    if workdir is None:
        return
    if damaged := all_damage(Workdir(workdir)):
        raise WorkdirError(f"{damaged[0]}: `colisten run` makes it anew.") from error
    if damaged := all_damage(Workdir(workdir), deep=True):
        raise WorkdirError(f"{damaged[0]}: remove it, and `colisten run` makes it anew.") from error


def opened(workdir: Path, overrides: Iterable[str] = (), *, create: bool = False) -> tuple[Workdir, Settings]:
    """The working folder and the settings that hold for it."""
    folder = Workdir.open(workdir, create=create)
    return folder, Settings.load(overrides, kept=folder.settings)
