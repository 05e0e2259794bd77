"""`colisten similar`: items that are listened to like one."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.cli.options import filtered, formatted, opened, workdir_option
from colisten.cli.output import show


@click.command()
@click.argument("item")
@workdir_option
@click.option("-k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many items.")
@click.option("--type", "item_type", help="Item type to look among; by default the item's own.")
@click.option("--across", is_flag=True, help="Look among all item types together.")
@click.option("--market", metavar="COUNTRY", help="Only what may be shown there; by default what may be everywhere.")
@filtered
@formatted
def similar(
    item: str,
    workdir: Path,
    count: int,
    item_type: str | None,
    across: bool,
    market: str | None,
    languages: tuple[str, ...],
    genres: tuple[str, ...],
    style: str | None,
) -> None:
    """Items listened to by the same people as ITEM (an id or a title), in its own type or across types.

    \b
    colisten similar a17 --workdir W --type podcast
    colisten similar "The Long Winter" --workdir W --across
    """
    if item_type and across:
        raise click.UsageError("Name one type by --type, or take all by --across.")
    from colisten.serving.query import Query
    from colisten.serving.recommending import Recommender

    with Recommender.open(*opened(workdir)) as recommender:
        found = recommender.similar(item, Query(count, item_type, languages, genres, market=market), across=across)
    show(found.titled(), style)
