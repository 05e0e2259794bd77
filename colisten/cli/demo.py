"""`colisten demo`: the whole pipeline on synthetic data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from colisten.listening.data import ListeningData
    from colisten.serving.recommending import Recommendations
    from colisten.settings import Settings
    from colisten.workdir import Workdir

_QUICK = ("towers.minutes=0.25",)
"""A short model selection: the demo is to be quick."""
_DAYS_HIDDEN = 14
_SHOWN = 5
_NEXT = """
Look around (Neo4j starts when asked; `colisten db stop --workdir {work}` stops it):
  colisten evaluate --split {split} --workdir {work} --baselines all
  colisten graph stats --workdir {work}
  colisten graph cypher --workdir {work} "MATCH (a:Audiobook)-[e]-(p:Podcast) RETURN a.title, p.title LIMIT 5"
  colisten recommend --likes TITLE --workdir {work}"""


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), show_default=True,
    help="Folder for the synthetic data and the working folder.",
)  # fmt: skip
@click.option("--users", type=click.IntRange(200), default=3000, show_default=True, help="Users in the data.")
def demo(out: Path, users: int) -> None:
    """Make synthetic data, build its graph in a real Neo4j, train, publish, evaluate, and recommend.

    \b
    colisten demo
    colisten graph stats --workdir demo/work
    """
    from rich.console import Console

    from colisten.cli.options import opened
    from colisten.evaluation.run import evaluate_workdir
    from colisten.evaluation.table import accuracy_table
    from colisten.listening.split import ByDays, split_data
    from colisten.listening.synth.world import make_world
    from colisten.pipeline.stage import Context
    from colisten.pipeline.stages import run_all
    from colisten.progress import Progress

    world, split = out / "world", out / "split"
    with Progress() as progress:
        folder, settings = opened(out / "work", _QUICK, create=True)
        if not (split / "split.json").exists():
            progress.say(
                f"Making listening data of {users:,} users: 90 days to learn from, {_DAYS_HIDDEN} to evaluate on …"
            )
            make_world(world, users=users)
            split_data(str(world), split, settings, ByDays(_DAYS_HIDDEN))
        run_all(Context(folder, settings, progress, str(split / "train")))
        progress.say(f"Evaluating on the last {_DAYS_HIDDEN} days …")
        reports = evaluate_workdir(folder, settings, split, ["popularity", "itemknn"], progress=progress)
    for report in reports:
        Console().print(accuracy_table(report, ("hr@10", "ndcg@10"), ("all", "warm", "cold")))
    _print_examples(folder, settings)
    click.echo(_NEXT.format(work=quote(str(out / "work")), split=quote(str(split))), err=True)


def _print_examples(folder: Workdir, settings: Settings) -> None:
    """Print recommendations to a warm, a cold and an anonymous user, beside those of popularity."""
    from colisten.evaluation.baselines.popularity import Popularity
    from colisten.listening.data import ListeningData
    from colisten.serving.query import Query
    from colisten.serving.recommending import Recommender

    data = ListeningData(folder.listening)
    popular = Popularity().fit(data)
    query = Query(_SHOWN)
    titles = dict(data.items.select("item_id", "title").iter_rows())
    warm, cold = _warm_and_cold(data, settings.target)
    liked = popular.recommend([""], 40, settings.target)["item_id"][-1]
    with Recommender.open(folder, settings) as recommender:
        examples = [
            (f"{warm}: {_history(data, warm)}", warm, recommender.recommend([warm], query)),
            (f"{cold}: no {settings.target} yet; {_history(data, cold)}", cold, recommender.recommend([cold], query)),
            (
                f"An anonymous user who likes {titles[liked]!r}",
                "",
                recommender.recommend_for([liked], {}, query),
            ),
        ]
    for title, user, answer in examples:
        popular_ids = popular.recommend([user], _SHOWN, settings.target)["item_id"]
        _print_beside(title, answer, [titles[item] for item in popular_ids])


def _warm_and_cold(data: ListeningData, target: str) -> tuple[str, str]:
    """A user who streamed a fair number of target items, and one who streamed other types only."""
    import polars as pl

    typed = data.streams.join(data.items.lazy().select("item", "item_type"), on="item")
    is_target = pl.col("item_type") == target
    counts = typed.group_by("user").agg(
        target=pl.col("item").filter(is_target).n_unique(), other=pl.col("item").filter(~is_target).n_unique()
    )
    users = counts.collect().join(data.users.select("user", "user_id"), on="user").sort("user")
    warm = users.filter(pl.col("target").is_between(4, 8), pl.col("other") >= 4)
    cold = users.filter(pl.col("target") == 0, pl.col("other") >= 6)
    return warm["user_id"][0], cold["user_id"][0]


def _history(data: ListeningData, user: str) -> str:
    import polars as pl

    number = data.users.filter(pl.col("user_id") == user)["user"][0]
    streams = data.streams.filter(pl.col("user") == number).join(data.items.lazy(), on="item")
    items = streams.select("title", "item_type").unique(maintain_order=True).collect()
    named = [f"{title} ({kind})" for title, kind in items.sort("item_type", maintain_order=True).iter_rows()]
    return "streamed " + "; ".join(named[:_SHOWN]) + (f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else "")


def _print_beside(title: str, answer: Recommendations, popular: Sequence[str]) -> None:
    from rich.console import Console

    from colisten.evaluation.table import add_row, plain_table

    table = plain_table(("", "Colisten recommends", "popularity"), title=title)
    for rank, (item, popular_title) in enumerate(zip(answer.items, popular, strict=True), start=1):
        add_row(table, str(rank), item.title or item.item_id, popular_title)
    Console().print(table, end="\n\n")
