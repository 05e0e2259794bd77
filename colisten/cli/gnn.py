"""`colisten gnn`: train the graph network and embed every item."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.cli.options import set_option, workdir_option
from colisten.cli.partial import run_only


@click.group()
def gnn() -> None:
    """Train the graph network and embed every item."""


@gnn.command()
@workdir_option
@set_option
def train(workdir: Path, overrides: tuple[str, ...]) -> None:
    """Train on neighbourhoods streamed from Neo4j, then embed every item.

    \b
    colisten gnn train --workdir W --set gnn.dim=64
    """
    run_only(["text", "gnn", "embed"], workdir, overrides, force=["gnn"])


@gnn.command()
@workdir_option
@set_option
def embed(workdir: Path, overrides: tuple[str, ...]) -> None:
    """Embed every item of today's graph with the trained model.

    \b
    colisten gnn embed --workdir W
    """
    run_only(["text", "embed"], workdir, overrides)
