"""`colisten search`: semantic search over item texts."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.cli.options import filtered, formatted, opened, workdir_option
from colisten.cli.output import show


@click.command()
@click.argument("text")
@workdir_option
@click.option("-k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many items.")
@click.option("--type", "item_type", help="Item type to look among; by default all.")
@click.option("--market", metavar="COUNTRY", help="Only what may be shown there; by default what may be everywhere.")
@filtered
@formatted
def search(
    text: str,
    workdir: Path,
    count: int,
    item_type: str | None,
    market: str | None,
    languages: tuple[str, ...],
    genres: tuple[str, ...],
    style: str | None,
) -> None:
    """Items whose title, description and genres match TEXT in meaning, nearest first.

    \b
    colisten search "a slow-burn mystery set in Iceland" --workdir W --type audiobook --language en
    """
    from colisten.serving.query import Query
    from colisten.serving.recommending import Recommender

    folder, settings = opened(workdir)
    query = Query(count, item_type, languages, genres, market=market)
    with Recommender.open(folder, settings) as recommender:
        recommender.check(query)  # before the encoder is loaded, which takes seconds
        from colisten.text.encoder import Encoder

        found = recommender.search(Encoder(settings.text).encode([text])[0], query)
    show(found.titled(), style)
