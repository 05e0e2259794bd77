"""`colisten towers`: train the two towers."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.cli.options import set_option, workdir_option
from colisten.cli.partial import run_only


@click.group()
def towers() -> None:
    """Train the two towers."""


@towers.command()
@workdir_option
@set_option
def train(workdir: Path, overrides: tuple[str, ...]) -> None:
    """Train the user and the item tower on what `gnn train` made.

    \b
    colisten towers train --workdir W --set towers.epochs=20
    """
    run_only(["towers"], workdir, overrides)
