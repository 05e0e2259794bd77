"""`colisten recommend`: for one user, many users, or somebody described by likes."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.errors import SettingsError
from colisten.serving.cli.options import formatted, opened, workdir_option
from colisten.serving.cli.output import show


@click.command()
@click.argument("user", required=False)
@workdir_option
@click.option("-k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many items.")
@click.option("--type", "item_type", help="Item type to recommend; the target type by default.")
@click.option("--language", "languages", multiple=True, help="Only items in this language; may be repeated.")
@click.option("--genre", "genres", multiple=True, help="Only items of this genre; may be repeated.")
@click.option("--include-heard", is_flag=True, help="Do not leave out what the user has streamed.")
@click.option(
    "--users", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Many users: one id a line."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Parquet file for the answers to --users.")
@click.option("--likes", multiple=True, metavar="ITEM", help="Somebody with no account: an item id or title they like.")
@click.option("--country", help="With --likes: where they live.")
@click.option("--age", help="With --likes: how old they are.")
@formatted
def recommend(user: str | None, workdir: Path, style: str | None, **options: object) -> None:
    """Recommend items the user has not heard.

    \b
    colisten recommend u17 --workdir W -k 10 --type audiobook --json
    colisten recommend --users ids.csv --workdir W -k 100 --type audiobook --out recs.parquet
    colisten recommend --likes "The Long Winter" --country US --age 30 --workdir W
    """
