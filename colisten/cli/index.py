"""`colisten index`: publish item vectors, list what was published, roll back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from colisten.cli.options import formatted, opened, set_option, workdir_option
from colisten.cli.output import show
from colisten.cli.partial import run_only


@click.group()
def index() -> None:
    """Publish item vectors to Qdrant, list them, roll back."""


@index.command()
@workdir_option
@set_option
def publish(workdir: Path, overrides: tuple[str, ...]) -> None:
    """Publish the trained vectors as a new collection and make it live.

    \b
    colisten index publish --workdir W
    """
    run_only(["profiles", "index"], workdir, overrides)


@index.command(name="list")
@workdir_option
@formatted
def list_(workdir: Path, style: str | None) -> None:
    """List the collections that are there, oldest first.

    \b
    colisten index list --workdir W --table
    """
    from colisten.serving.index.opening import open_index
    from colisten.serving.publishing import list_collections

    show([asdict(found) for found in list_collections(open_index(*opened(workdir)))], style)


@index.command()
@workdir_option
@click.option("--to", help="Name of the collection; by default the one before the live one.")
def rollback(workdir: Path, to: str | None) -> None:
    """Make an earlier collection live again, with the user tower that belongs to it.

    \b
    colisten index rollback --workdir W
    """
    from colisten.serving.index.opening import open_index
    from colisten.serving.publishing import rollback as go_back

    click.echo(go_back(open_index(*opened(workdir)), to))
