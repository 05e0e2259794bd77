"""`colisten users`: user vectors for other models."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.cli.options import opened, workdir_option
from colisten.cli.user_list import ids_in


@click.group()
def users() -> None:
    """Export user vectors for other models."""


@users.command()
@workdir_option
@click.option(
    "--users", "listed", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Only these users, one id a line; by default all.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Parquet file to write.")
@click.option("--index", "collection", help="From this collection of `colisten index list`, not the live one.")
def export(workdir: Path, listed: Path | None, out: Path, collection: str | None) -> None:
    """Write user_id and vector of everybody: what the user tower says of them, for other models to use.

    \b
    colisten users export --workdir W --out users.parquet
    """
    from colisten.progress import Progress
    from colisten.serving.recommending import Recommender
    from colisten.serving.user_export import export_users

    with Recommender.open(*opened(workdir), collection) as recommender, Progress() as progress:
        count = export_users(out, recommender, ids_in(listed) if listed else None, progress)
        progress.say(f"{count:,} users in {out}, encoded as in {recommender.collection.name}.")
