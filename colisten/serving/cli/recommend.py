"""`colisten recommend`: for one user, many users, or somebody described by likes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from colisten.serving.cli.options import formatted, opened, workdir_option
from colisten.serving.cli.output import show

if TYPE_CHECKING:
    from colisten.serving.recommending import Recommendations, Recommender
    from colisten.serving.wishes import Wish


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
@click.option("--country", help="Where somebody with no account lives.")
@click.option("--age", help="How old somebody with no account is.")
@formatted
def recommend(
    user: str | None,
    workdir: Path,
    count: int,
    item_type: str | None,
    languages: tuple[str, ...],
    genres: tuple[str, ...],
    include_heard: bool,
    users: Path | None,
    out: Path | None,
    likes: tuple[str, ...],
    country: str | None,
    age: str | None,
    style: str | None,
) -> None:
    """Recommend items that the user has not heard.

    \b
    colisten recommend u17 --workdir W -k 10 --type audiobook --json
    colisten recommend --users ids.csv --workdir W -k 100 --type audiobook --out recs.parquet
    colisten recommend --likes "The Long Winter" --country US --age 30 --workdir W
    """
    described = {name: value for name, value in (("country", country), ("age", age)) if value is not None}
    _check_question(user, users, out, likes, described)
    from colisten.serving.recommending import Recommender
    from colisten.serving.wishes import Wish

    recommender = Recommender.open(*opened(workdir))
    wish = Wish(count, item_type, languages, genres, include_heard)
    if users and out:
        _answer_many(recommender, _ids_in(users), wish, out)
        return
    if users or user is not None:
        answer = recommender.recommend(_ids_in(users) if users else [str(user)], wish)
    else:
        answer = recommender.recommend_for(likes, described, wish)
    _say_unknown(answer.unknown)
    show(_rows(answer, style), style)


def _check_question(
    user: str | None, users: Path | None, out: Path | None, likes: Sequence[str], described: dict[str, str]
) -> None:
    asked = [user is not None, users is not None, bool(likes or described)]
    if sum(asked) != 1:
        raise click.UsageError("Name one of: a USER, --users FILE, or --likes ITEM (with --country, --age).")
    if out and not users:
        raise click.UsageError("--out goes with --users FILE.")


def _answer_many(recommender: Recommender, ids: list[str], wish: Wish, out: Path) -> None:
    from colisten.progress import Progress
    from colisten.serving.many import recommend_to

    with Progress() as progress:
        unknown = recommend_to(out, recommender, ids, wish, progress)
        progress.say(f"{len(set(ids)):,} users answered in {out}.")
    _say_unknown(unknown)


def _ids_in(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _say_unknown(unknown: Sequence[str]) -> None:
    if unknown:
        named = ", ".join(repr(user) for user in unknown[:3]) + (", …" if len(unknown) > 3 else "")
        click.echo(f"Never seen before, so answered without a history: {named} ({len(unknown):,}).", err=True)


def _rows(answer: Recommendations, style: str | None) -> list[dict[str, object]]:
    """The five columns that others script against, with titles where people look."""
    import sys

    rows = list(answer.rows())
    if style == "table" or (style is None and sys.stdout.isatty()):
        for row, item in zip(rows, answer.items, strict=True):
            row["title"] = item.title
    return rows
