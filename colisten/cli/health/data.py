"""Data checks: dangling references, missing values, isolated items, balance of edge types."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from colisten.cli.health.finding import Finding
from colisten.graph_store.edge_summary import FILE, summarise
from colisten.graph_store.edge_type import EdgeType
from colisten.listening.data import ListeningData
from colisten.workdir import Workdir

_MOSTLY, _MANY = 0.9, 0.1
_LISTED = 10
_PERCENTILES = (0.1, 0.5, 0.9, 1.0)


def check_data(folder: Workdir) -> Iterator[Finding]:
    """Check the imported data and the edges file; Neo4j is not queried."""
    if not (folder.listening / "summary.json").exists():
        yield Finding("warn", "data", "nothing is imported yet", "`colisten run --data DIR`")
        return
    data = ListeningData(folder.listening)
    yield from _rejected(data)
    yield from _oddities(data)
    yield from _dangling_events(data)
    yield from _texts(data)
    yield from _times(data)
    if (folder.edges / FILE).exists():
        edges = pl.scan_parquet(folder.edges / FILE, glob=False)
        yield from _dangling_edges(edges, data)
        yield from _balance(edges, data)
        yield from _degrees(edges, data)


def _rejected(data: ListeningData) -> Iterator[Finding]:
    counts, reasons = data.summary["counts"], data.summary["rejected"]
    found = f"{counts['interactions']:,} interactions of {counts['users']:,} users with {counts['items']:,} items"
    kept = counts["interactions"] + counts["relations"]
    share = counts["rejected"] / max(1, counts["rejected"] + kept)
    if share > _MANY:
        found += f"; {share:.0%} of the rows were set aside, most often because {next(iter(reasons))}"
    yield _unless(share > _MANY, "data", found, f"look at {data.root / 'rejected.parquet'}")


def _oddities(data: ListeningData) -> Iterator[Finding]:
    """What the last import warned of, and which values it could not read."""
    for warning in data.summary.get("warnings", ()):
        yield Finding("warn", "values", warning, "change the data or leave it, and `colisten data import`")
    for value, times in data.summary.get("unread", {}).items():
        yield Finding("warn", "values", f"{times:,} values are read as missing: {value}", "write them as the docs say")


def _dangling_events(data: ListeningData) -> Iterator[Finding]:
    events = pl.scan_parquet(data.interactions, glob=False)
    items, users = data.items.lazy().select("item"), data.users.lazy().select("user")
    dangling = sum(_rows(events.join(known, on=known.collect_schema().names(), how="anti")) for known in (items, users))
    yield _unless(
        dangling, "ids", f"{dangling:,} interactions name an item or a user that is not there", "`colisten data import`"
    )


def _dangling_edges(edges: pl.LazyFrame, data: ListeningData) -> Iterator[Finding]:
    present = data.items.lazy().filter(~pl.col("retired")).select("item")
    dangling = sum(_rows(edges.join(present, left_on=end, right_on="item", how="anti")) for end in ("src", "dst"))
    yield _unless(dangling, "edges", f"{dangling:,} ends of edges are not in the catalogue", "`colisten graph build`")


def _texts(data: ListeningData) -> Iterator[Finding]:
    present = data.items.filter(~pl.col("retired"))
    texts = [name for name in ("title", "description") if name in present.columns]
    textless = present.filter(pl.all_horizontal(pl.col(name).fill_null("") == "" for name in texts)).height
    share = textless / max(1, present.height)
    found = f"{share:.0%} of the items have neither title nor description"
    yield _unless(share > _MANY, "texts", found, "add titles: a new item without text and listeners cannot be placed")


def _times(data: ListeningData) -> Iterator[Finding]:
    untimed, events = (
        pl.scan_parquet(data.interactions, glob=False)
        .select(pl.col("timestamp").null_count(), n=pl.len())
        .collect()
        .row(0)
    )
    share = untimed / max(1, events)
    found = f"{share:.0%} of the interactions have no time"
    yield _unless(share > _MANY, "times", found, "add times: splits by days, recency and experiments need them")


def _balance(edges: pl.LazyFrame, data: ListeningData) -> Iterator[Finding]:
    summary = summarise(edges, data)
    isolated, items = sum(summary.isolated.values()), sum(summary.items.values())
    share = isolated / max(1, items)
    found = f"{share:.0%} of the items have no edge"
    yield _unless(
        share > _MANY, "isolated items", found, "their embeddings come from their texts; more listening data helps"
    )
    most_frequent, count = max(summary.edges.items(), key=lambda entry: entry[1], default=(EdgeType("", "", ""), 0))
    share = count / max(1, summary.total)
    found = f"{share:.0%} of all edges are {most_frequent.relation} of {most_frequent.src} and {most_frequent.dst}"
    unbalanced = len(summary.items) > 1 and share > _MOSTLY
    yield _unless(
        unbalanced, "balance", found, "keep gnn.balance on and graph.top_k small, so that other edge types count too"
    )


def _degrees(edges: pl.LazyFrame, data: ListeningData) -> Iterator[Finding]:
    """The distribution of degrees, by item type, relation and neighbour's type; isolated items have degree 0."""
    sides = (("src", "dst"), ("dst", "src"))
    ends = pl.concat(
        [edges.select("relation", item=one, kind=f"{one}_type", of=f"{other}_type") for one, other in sides]
    )
    counted = ends.group_by("kind", "relation", "of", "item").len().collect(engine="streaming")
    sizes = dict(data.items.filter(~pl.col("retired")).group_by("item_type").len().iter_rows())
    ranked = counted.group_by("kind", "relation", "of").agg("len").sort(pl.col("len").list.sum(), descending=True)
    for kind, relation, other, degrees in ranked.head(_LISTED).iter_rows():
        all_degrees = pl.Series([*degrees, *[0] * (sizes[kind] - len(degrees))])
        tenth, half, most, top = (int(all_degrees.quantile(p, "lower") or 0) for p in _PERCENTILES)
        yield Finding(
            "ok",
            "degrees",
            f"{kind} → {other}, {relation}: median {half}, 10 % have at most {tenth}, 90 % at most {most}, top {top}",
        )


def _rows(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())


def _unless(wrong: float, about: str, found: str, todo: str) -> Finding:
    return Finding("warn", about, found, todo) if wrong else Finding("ok", about, found)
