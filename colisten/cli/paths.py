"""Explanation paths of `colisten graph path` as rows and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from colisten.cli.output import for_people
from colisten.errors import GraphError, SettingsError
from colisten.graph_store.connection import open_driver
from colisten.progress import Progress
from colisten.serving.query import item_named
from colisten.serving.recommending import Recommender
from colisten.serving.why.explaining import Explainer
from colisten.serving.why.path_finder import PathFinder
from colisten.serving.why.reasons import Path, Reason, display_name
from colisten.settings import Settings
from colisten.workdir import Workdir


def paths_to(workdir: Workdir, settings: Settings, user_id: str, item: str, count: int) -> Reason:
    """Why this item suits this user; Neo4j is started if it is the managed one.

    Raises:
        SettingsError: no such user, or no such item.
        GraphError: the graph cannot be asked.
    """
    with Recommender.open(workdir, settings) as recommender:
        history, unknown = recommender.profiles.read([user_id])
        if unknown:
            raise SettingsError(f"Nothing is known of {user_id!r}: name a user of the listening data.")
        wanted = item_named(item, recommender.profiles).item
        with Progress() as progress:
            driver = open_driver(settings, workdir, progress)
        with driver:
            explainer = Explainer(recommender.profiles, recommender.collection)
            path_finder = PathFinder(driver, settings.neo4j.database, None)
            evidence = path_finder.evidence(explainer.heard(history), [wanted], count)
            (reason,) = explainer.explain(history, [wanted], evidence)
    if evidence.unavailable:
        raise GraphError(evidence.unavailable)
    return reason


def path_rows(paths: Sequence[Path], style: str | None) -> Iterator[dict[str, object]]:
    """One row a path: a chain with listeners and weights for people, every figure for programs."""
    for rank, path in enumerate(paths, start=1):
        if for_people(style) or style == "csv":
            yield {"rank": rank, "strength": round(path.strength, 4), "path": chain(path)}
        else:
            yield {"rank": rank, **path.as_json()}


def chain(path: Path) -> str:
    """`‘A’ –12 (0.34)– ‘B’ –3 (0.08)– ‘C’`: between two items their shared listeners and the weight."""
    links = [f" –{n:,} ({w:.2f})– " for n, w in zip(path.listeners, path.weights, strict=True)]
    steps = zip(links, path.items[1:], strict=True)
    return display_name(path.items[0]) + "".join(link + display_name(item) for link, item in steps)
