"""`colisten db`: the managed local Neo4j."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.cli.options import formatted, opened, set_option, workdir_option
from colisten.cli.output import show


@click.group()
def db() -> None:
    """Start, stop and look at the managed local Neo4j of a working folder."""


@db.command()
@workdir_option
@set_option
def start(workdir: Path, overrides: tuple[str, ...]) -> None:
    """Start Neo4j (installing it the first time) and print how to reach it.

    \b
    colisten db start --workdir W
    """
    from colisten.graph_store.server.managed import ManagedServer
    from colisten.progress import Progress

    folder, settings = opened(workdir, overrides)
    with Progress() as progress:
        server = ManagedServer(folder.neo4j, settings.neo4j, progress)
        endpoint = server.start()
        progress.say(f"User {endpoint.user}; the password is in {folder.neo4j / 'password'}.")
    click.echo(endpoint.uri)


@db.command()
@workdir_option
def stop(workdir: Path) -> None:
    """Stop Neo4j in good order.

    \b
    colisten db stop --workdir W
    """
    from colisten.graph_store.server.managed import ManagedServer
    from colisten.progress import Progress

    folder, settings = opened(workdir)
    with Progress() as progress:
        stopped = ManagedServer(folder.neo4j, settings.neo4j, progress).stop()
        progress.say("Neo4j stopped." if stopped else "Neo4j was not running.")


@db.command()
@workdir_option
@formatted
def status(workdir: Path, style: str | None) -> None:
    """Say whether Neo4j runs, where, and what it takes of memory and disk.

    \b
    colisten db status --workdir W --json
    """
    from dataclasses import asdict

    from colisten.graph_store.server.managed import ManagedServer
    from colisten.progress import Progress

    folder, settings = opened(workdir)
    show([asdict(ManagedServer(folder.neo4j, settings.neo4j, Progress(quiet=True)).status())], style)
