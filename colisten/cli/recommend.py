"""`colisten recommend`: for one user, many users, or an anonymous user described by likes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from colisten.cli.options import Number, filtered, formatted, opened, workdir_option
from colisten.cli.output import for_people, say, show
from colisten.cli.user_list import ids_in, shard_of

if TYPE_CHECKING:
    from colisten.listening.histories import UserHistories
    from colisten.serving.query import Query
    from colisten.serving.recommending import Recommendations, Recommender
    from colisten.serving.why.reasons import Reason
    from colisten.settings import Settings
    from colisten.workdir import Workdir


@click.command()
@click.argument("user", required=False)
@workdir_option
@click.option("-k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many items.")
@click.option("--type", "item_type", help="Item type to recommend; the target type by default.")
@filtered
@click.option("--exploration", type=Number(0, 1), help="Room for new and rare items; serve.exploration by default.")
@click.option(
    "--diversity",
    type=Number(0, 1),
    help="How much items differ from each other; serve.diversity by default.",
)
@click.option(
    "--types", metavar="TYPES", help="Several item types in one answer: audiobook:6,podcast:4 (at least); * is all."
)
@click.option("--market", metavar="COUNTRY", help="Only what may be shown there; by default in the user's country.")
@click.option("--include-heard", is_flag=True, help="Do not leave out what the user has streamed.")
@click.option(
    "--users",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Many users: one id a line, or the column user_id of CSV or Parquet.",
)
@click.option("--shard", metavar="I/N", help="Of --users, only the I-th of N parts: each process takes another one.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Parquet file for the answers to --users.")
@click.option(
    "--experiment", metavar="NAME", help="With --out: answer those who take part, and log what they are shown."
)
@click.option("--group", help="With --experiment: answer this group only.")
@click.option("--index", "collection", help="Answer from this collection of `colisten index list`, not the live one.")
@click.option(
    "--likes", multiple=True, metavar="ITEM",
    help="An item id or title: what somebody with no account likes, or what USER is in the mood for.",
)  # fmt: skip
@click.option("--country", help="Country of an anonymous user.")
@click.option("--age", help="Age of an anonymous user.")
@click.option("--why", is_flag=True, help="Say why, by paths of shared listeners if Neo4j runs; for one person.")
@formatted
def recommend(
    user: str | None,
    workdir: Path,
    count: int,
    item_type: str | None,
    languages: tuple[str, ...],
    genres: tuple[str, ...],
    exploration: float | None,
    diversity: float | None,
    types: str | None,
    market: str | None,
    include_heard: bool,
    users: Path | None,
    shard: str | None,
    out: Path | None,
    experiment: str | None,
    group: str | None,
    collection: str | None,
    likes: tuple[str, ...],
    country: str | None,
    age: str | None,
    why: bool,
    style: str | None,
) -> None:
    """Recommend items that the user has not heard.

    \b
    colisten recommend u17 --workdir W -k 10 --type audiobook --json
    colisten recommend --users ids.csv --workdir W -k 100 --type audiobook --out recs.parquet
    colisten recommend --users ids.csv --shard 3/8 --workdir W -k 100 --out recs-3.parquet
    colisten recommend --users ids.csv --workdir W --experiment shelf --group fresh --out recs.parquet
    colisten recommend --likes "The Long Winter" --country US --age 30 --workdir W
    colisten recommend u17 --likes "The Long Winter" --workdir W --why
    """
    described = {name: value for name, value in (("country", country), ("age", age)) if value is not None}
    _check_question(user, users, out, likes, described, why)
    if shard and not users:
        raise click.UsageError("--shard goes with --users FILE.")
    _check_experiment(experiment, group, out)
    from colisten.cli.batch import arm_of
    from colisten.serving.experiment.arms import Arm
    from colisten.serving.query import Query, TypeQuota
    from colisten.serving.recommending import Recommender

    folder, settings = opened(workdir)
    arm = arm_of(folder.experiments, experiment, group) if experiment else Arm()
    mixed = TypeQuota.parse(types) if types else ()
    asked = Query(count, item_type, languages, genres, include_heard, exploration, diversity, mixed, market)
    query = arm.query(asked)
    with Recommender.open(folder, settings, collection or arm.index) as recommender:
        if users and out:
            _say_unknown(
                _answer_file(folder, settings, recommender, _listed(users, shard), query, out, experiment, group)
            )
            return
        if users:
            answer, reasons = recommender.recommend(_listed(users, shard), query), None
        else:
            history, unknown = _history(recommender, user, likes, described)
            answer = _named(recommender.answer(history, query, user or ""), user or "", unknown)
            reasons = _reasons(folder, settings, recommender, history, answer) if why else None
        _say_unknown(answer.unknown)
    show(_rows(answer, reasons, style), style)


def _answer_file(
    folder: Workdir,
    settings: Settings,
    recommender: Recommender,
    users: Sequence[str],
    query: Query,
    out: Path,
    experiment: str | None,
    group: str | None,
) -> list[str]:
    """Returns the users never seen before."""
    from colisten.cli.batch import answer_group, answer_many

    if experiment:
        return answer_group(folder, settings, experiment, group, recommender, users, query, out)
    return answer_many(folder, settings, recommender, users, query, out)


def _listed(users: Path, shard: str | None) -> list[str]:
    """The users of a file, or those of one shard of it."""
    ids = ids_in(users)
    found = shard_of(ids, shard) if shard else ids
    if not found:
        say(f"{users} names nobody{f' for the shard {shard}' if shard else ''}.")
    return found


def _history(
    recommender: Recommender, user: str | None, likes: Sequence[str], described: dict[str, str]
) -> tuple[UserHistories, list[str]]:
    """The history to answer from, and the user if never seen before."""
    if user is None:
        return recommender.anonymous_user(likes, described), []
    history, unknown = recommender.profiles.read([user])
    return recommender.in_mood(history, likes) if likes else history, unknown


def _named(answer: Recommendations, user: str, unknown: Sequence[str]) -> Recommendations:
    return replace(answer, user_ids=[user] * len(answer.items), unknown=unknown)


def _check_question(
    user: str | None, users: Path | None, out: Path | None, likes: Sequence[str], described: dict[str, str], why: bool
) -> None:
    asked = [user is not None, users is not None, bool(described or (likes and user is None))]
    if sum(asked) != 1 or (likes and users):
        raise click.UsageError(
            "Name one of: a USER (and --likes), --users FILE, or --likes ITEM (and --country, --age)."
        )
    if out and not users:
        raise click.UsageError("--out goes with --users FILE.")
    if why and users:
        raise click.UsageError("--why explains the answer of one person: name a USER or --likes ITEM.")


def _check_experiment(experiment: str | None, group: str | None, out: Path | None) -> None:
    if experiment and not out:
        raise click.UsageError("--experiment goes with --users FILE and --out FILE.")
    if group and not experiment:
        raise click.UsageError("--group goes with --experiment NAME.")


def _say_unknown(unknown: Sequence[str]) -> None:
    if unknown:
        named = ", ".join(repr(user) for user in unknown[:3]) + (", …" if len(unknown) > 3 else "")
        say(f"Never seen before, so answered without a history: {named} ({len(unknown):,}).")


def _reasons(
    folder: Workdir, settings: Settings, recommender: Recommender, history: UserHistories, answer: Recommendations
) -> list[Reason]:
    from colisten.serving.why.explaining import Explainer
    from colisten.serving.why.path_finder import PathFinder

    explainer = Explainer(recommender.profiles, recommender.collection, recommender.placer.placed())
    items = [item.item for item in answer.items]
    with closing(PathFinder.open(folder, settings)) as path_finder:
        evidence = path_finder.evidence(explainer.heard(history), items)
    if evidence.unavailable:
        say(f"Reasons are without paths of shared listeners. {evidence.unavailable}")
    return explainer.explain(history, items, evidence)


def _rows(answer: Recommendations, reasons: list[Reason] | None, style: str | None) -> list[dict[str, object]]:
    """The five columns that others script against, and `why` if asked for; titles and words where people look."""
    rows = list(answer.rows())
    if for_people(style):
        for row, item in zip(rows, answer.items, strict=True):
            row["title"] = item.title
    if reasons is None:
        return rows
    if for_people(style):  # sentences need the room
        rows = [{name: row[name] for name in ("rank", "item_id", "title")} for row in rows]
    words = for_people(style) or style == "csv"
    return [row | {"why": r.words if words else r.as_json()} for row, r in zip(rows, reasons, strict=True)]
