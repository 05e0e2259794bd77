"""`colisten forget`: remove a user's profile."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.serving.cli.options import opened, workdir_option


@click.command()
@click.argument("user")
@workdir_option
def forget(user: str, workdir: Path) -> None:
    """Remove what is known of USER from the profiles, so that nothing is recommended from it any more.

    Imported listening data stays until the next import: take the user out of the source as well.

    \b
    colisten forget u17 --workdir W
    """
    from colisten.serving.profiles import Profiles

    folder, _ = opened(workdir)
    removed = Profiles.open(folder.profiles).forget(user)
    click.echo(f"The profile of {user!r} is gone." if removed else f"There was no profile of {user!r}.", err=True)
