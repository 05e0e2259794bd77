"""`colisten similar`: items that are listened to like one."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.serving.cli.options import formatted, opened, workdir_option
from colisten.serving.cli.output import show


@click.command()
@click.argument("item")
@workdir_option
@click.option("-k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many items.")
@click.option("--type", "item_type", help="Item type to look among; by default the item's own.")
@formatted
def similar(item: str, workdir: Path, count: int, item_type: str | None, style: str | None) -> None:
    """Items listened to by the same people as ITEM (an id or a title), in its own type or across types.

    \b
    colisten similar a17 --workdir W --type podcast
    """
    from colisten.serving.recommending import Recommender
    from colisten.serving.wishes import Wish

    found = Recommender.open(*opened(workdir)).similar(item, Wish(count, item_type))
    keys = ("item_id", "item_type", "title", "score", "rank")
    show(
        [
            dict(zip(keys, (near.item_id, near.item_type, near.title, row["score"], row["rank"]), strict=True))
            for near, row in zip(found.items, found.rows(), strict=True)
        ],
        style,
    )
