"""`colisten graph`: build, inspect and query the co-listening graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colisten.cli.options import formatted, opened, set_option, workdir_option
from colisten.cli.output import say
from colisten.cli.output import show as show_rows
from colisten.errors import SettingsError
from colisten.letters import folded, json_line, printable
from colisten.relations import BUILT_IN

if TYPE_CHECKING:
    from neo4j import Driver

    from colisten.graph_store.inspection.show import ItemView, Neighbour
    from colisten.graph_store.inspection.stats import GraphStats


@click.group()
def graph() -> None:
    """Build, inspect and query the co-listening graph."""


@graph.command()
@workdir_option
@click.option("--replace", is_flag=True, help="Remove the graph of another catalogue from the database first.")
@set_option
def build(workdir: Path, replace: bool, overrides: tuple[str, ...]) -> None:
    """Compute the edges from the imported data and bring the graph in Neo4j up to date.

    \b
    colisten graph build --workdir W --set graph.top_k=20
    """
    from colisten.cli.partial import run_only

    run_only(["edges", "text", "relations", "graph"], workdir, overrides, replace=replace)


@graph.command()
@workdir_option
@formatted
def stats(workdir: Path, style: str | None) -> None:
    """Nodes and edges by type, degrees, hubs, items without edges.

    \b
    colisten graph stats --workdir W --table
    """
    from colisten.graph_store.inspection.stats import read_stats

    with _graph_of(workdir) as (driver, database):
        found = read_stats(driver, database)
    show_rows(_figures(found), style)
    for warning in found.warnings:
        say(warning)


@graph.command()
@click.argument("item")
@workdir_option
@click.option(
    "-k", "count", type=click.IntRange(1, 100), default=10, show_default=True, help="Neighbours per relation and type."
)
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object instead of a tree.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A picture instead: a file ending in .html or .png."
)
def show(item: str, workdir: Path, count: int, as_json: bool, out: Path | None) -> None:
    """ITEM (an id, or a title) and its strongest neighbours by each relation, of each type.

    Of a relation that the platform brings, an arrow tells which way the edge leads.

    \b
    colisten graph show a17 --workdir W
    colisten graph show "The Long Winter" --workdir W --out winter.html
    """
    from dataclasses import asdict

    from colisten.figures import check_picture

    if out:
        check_picture(out, (".html", ".png"))
    with _graph_of(workdir) as (driver, database):
        view = _find(driver, database, item, count)
    if out:
        from colisten.graph_store.inspection.picture import write_picture

        write_picture(view, out)
    elif as_json:
        click.echo(json_line(asdict(view)))
    else:
        _print_tree(view)


@graph.command()
@click.argument("user")
@click.argument("item")
@workdir_option
@click.option("-k", "count", type=click.IntRange(1, 100), default=5, show_default=True, help="How many paths.")
@formatted
def path(user: str, item: str, workdir: Path, count: int, style: str | None) -> None:
    """The strongest paths of shared listeners from what USER heard to ITEM (an id or a title).

    Where there is none, stderr says which other reason there is.

    \b
    colisten graph path u17 "The Long Winter" --workdir W
    """
    from colisten.cli.paths import path_rows, paths_to

    reason = paths_to(*opened(workdir), user, item, count)
    show_rows(path_rows(reason.paths, style), style)
    if not reason.paths:
        say(f"No path of one or two steps leads from what {user!r} heard to it: {reason.words}.")


@graph.command()
@click.argument("query")
@workdir_option
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="A $NAME in the query; JSON or text.")
@formatted
def cypher(query: str, workdir: Path, parameters: tuple[str, ...], style: str | None) -> None:
    """Ask QUERY in Cypher, in a transaction that can only read: no LOAD CSV, no procedures of plugins.

    \b
    colisten graph cypher 'MATCH (i:Item {id: $id})--(n) RETURN n.title' --param id=a17 --workdir W
    """
    from colisten.graph_store.inspection.cypher import run_cypher

    given = dict(_parameter(word) for word in parameters)
    with _graph_of(workdir) as (driver, database):
        answer = run_cypher(driver, database, query, given)
    show_rows((dict(zip(answer.columns, row, strict=True)) for row in answer.rows), style)


@contextmanager
def _graph_of(workdir: Path) -> Iterator[tuple[Driver, str]]:
    from colisten.graph_store.connection import open_driver
    from colisten.progress import Progress

    folder, settings = opened(workdir)
    with Progress() as progress:
        driver = open_driver(settings, folder, progress)
    with driver:
        yield driver, settings.neo4j.database


def _parameter(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        raise SettingsError(f"--param takes NAME=VALUE, not {word!r}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _find(driver: Driver, database: str, item: str, count: int) -> ItemView:
    """By id, else by title if one title is just this; otherwise an error that names near ones."""
    from colisten.graph_store.inspection.show import find_titles, show_item

    if view := show_item(driver, database, item, k=count):
        return view
    near = find_titles(driver, database, item)
    named = [match for match in near if folded(match.title) == folded(item)]
    if named and (view := show_item(driver, database, named[0].id, k=count)):
        return view
    hint = ": did you mean " + " or ".join(f"{match.title!r} ({match.id})" for match in near[:3]) + "?" if near else "."
    raise SettingsError(f"There is no item {item!r}{hint}")


def _figures(stats: GraphStats) -> Iterator[dict[str, object]]:
    for kind, count in stats.catalogue.items():
        yield {"about": "items", "what": kind, "figure": count, "without edges": stats.isolated.get(kind, 0)}
    for edge_type, count in stats.marker.edges.items():
        joins = f"{edge_type.src} – {edge_type.dst}"
        yield {"about": "edges", "what": joins, "relation": edge_type.relation, "figure": count}
    for edge_type, percentiles in stats.degrees.items():
        for percentile, degree in percentiles.items():
            about, leads = f"degree, percentile {percentile}", f"{edge_type.src} → {edge_type.dst}"
            yield {"about": about, "what": leads, "relation": edge_type.relation, "figure": degree}
    for hub in stats.hubs:
        yield {"about": "hubs", "what": f"{hub.title or hub.id} ({hub.id})", "figure": hub.degree}


def _print_tree(view: ItemView) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    found = view.properties
    name, about = found.get("title") or found["id"], f" ({view.item_type}, {found['id']})"
    tree = Tree(Text.assemble((printable(name), "bold"), printable(about)))
    for group in view.groups:
        branch = tree.add(Text(printable(f"{group.name}: {group.degree:,}")))
        for item in group.neighbours:
            arrow = "" if group.relation in BUILT_IN else "→ " if item.outgoing else "← "
            strength = f" {item.id} · {_strength(item)}"
            branch.add(Text.assemble(arrow, printable(item.title or item.id), (printable(strength), "dim")))
    Console().print(tree)


def _strength(item: Neighbour) -> str:
    known = [f"{item.listeners:,} listeners"] if item.listeners is not None else []
    if item.step is not None:
        known.append(f"{abs(item.step):g} {'behind' if item.step > 0 else 'before'} it")
    return ", ".join([*known, f"weight {item.weight:.2f}"])
