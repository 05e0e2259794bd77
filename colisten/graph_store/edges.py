"""Co-listening edges (item–item cosine, pruned to top-K): one Ibis expression, computed by DuckDB or by Spark.

Two items are joined when enough people listened to both (paper 4.1.1). What the paper leaves out is set here: a cap on
the items of one user, a weight (cosine), and top-K per item and edge type.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import ibis
import polars as pl
from ibis import _

from colisten.graph_store.edge_summary import EdgeSummary, summarise
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.engines import run_on_duckdb, run_on_spark
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import GraphSettings
from colisten.workdir import replacing_file

DEFAULT_TOP_K = 10
"""Edges kept of an item and edge type where nothing is set."""
FILE = "edges.parquet"

_PRIME = 2_147_483_647
"""2³¹ - 1: products of two numbers below it fit an int64 on every engine."""


def build_edges(data: ListeningData, options: GraphSettings, out: Path, progress: Progress) -> EdgeSummary:
    """Compute the edges of `data` into `out/edges.parquet`, in memory bounded by `options.memory_mb`.

    Columns: `src` int32, `dst` int32 (items, src < dst in the order of (type name, row)), the edge type `src_type` str,
    `relation` str, `dst_type` str, then `listeners` int32, `weight` float32 in (0, 1]; ordered by edge type, src, dst.
    The same data and options give the same edges on either engine.

    Raises:
        GraphError: the engine cannot be used, or ran out of memory.
        OutOfSpaceError: the disk is full.
    """
    run = {"duckdb": run_on_duckdb, "spark": run_on_spark}[options.engine]
    out.mkdir(parents=True, exist_ok=True)
    with replacing_file(out / FILE) as draft, tempfile.TemporaryDirectory(dir=out, prefix=".spill.") as spill:
        tables = {"interactions": data.interactions, "items": data.root / "items.parquet"}
        run(lambda tables: co_listening(**tables, strong=data.strong, options=options), tables, draft,
            memory_mb=options.memory_mb, spill=Path(spill), progress=progress)  # fmt: skip
    return summarise(pl.scan_parquet(out / FILE), data)


def co_listening(interactions: ibis.Table, items: ibis.Table, *, strong: int, options: GraphSettings) -> ibis.Table:
    """The edges as an expression over the two files of the listening contract; engine and file are the caller's."""
    places = _places(items)
    listens = _listens(interactions, places, strong, options.items_per_user)
    pairs = _pairs(listens, options.min_listeners)
    weighted = _weighted(pairs, listens, places)
    top_k = DEFAULT_TOP_K if options.top_k is None else options.top_k
    kept = _strongest(weighted, top_k) if top_k else weighted
    src, dst = (
        places.select(**{end: _.place, f"{end}_item": _.item, f"{end}_type": _.item_type}) for end in ("src", "dst")
    )
    named = kept.join(src, "src").join(dst, "dst")
    turned = (_.src_type == _.dst_type) & (_.src_item > _.dst_item)  # within a type, numbers and rows rise together
    return named.select(
        src=turned.ifelse(_.dst_item, _.src_item), dst=turned.ifelse(_.src_item, _.dst_item),
        src_type=_.src_type, relation=ibis.literal(CO_LISTENED), dst_type=_.dst_type,
        listeners=_.listeners.cast("int32"), weight=_.weight,
    ).order_by("src_type", "relation", "dst_type", "src", "dst")  # fmt: skip


def _places(items: ibis.Table) -> ibis.Table:
    """Number items and types, so that later steps handle small integers only.

    The numbers follow the names of what is in the catalogue today: however an item came to its number, ties
    end alike, and a graph kept up day by day has the edges of one built anew.
    """
    present = items.filter(~_.retired)
    place = ibis.row_number().over(order_by=[present.item_type, present.item_id]).cast("int32")
    kind = ibis.dense_rank().over(order_by=present.item_type).cast("int16")
    return present.mutate(place=place, kind=kind).select("item", "item_type", "place", "kind")


def _listens(interactions: ibis.Table, places: ibis.Table, strong: int, cap: int) -> ibis.Table:
    """Distinct (user, place) of strong signals, at most `cap` per user: the latest, unknown times last.

    Ties are broken by a number that mixes user and place, so that the cap does not favour low places.
    """
    heard = interactions.filter(_.signal < strong).group_by("user", "item").agg(last=_.timestamp.max())
    mixed = (_.place.cast("int64") * 48_271 + _.user.cast("int64") * 69_621 + 1) % _PRIME
    located = heard.join(places, "item").mutate(mixed=mixed).mutate(mixed=_.mixed * _.mixed % _PRIME)
    located = located.select("user", "place", "last", "mixed")
    latest = ibis.window(
        group_by=located.user, order_by=[located.last.desc(nulls_first=False), located.mixed, located.place]
    )
    ranked = located.mutate(rank=ibis.row_number().over(latest))
    return ranked.filter(_.rank < cap).select("user", "place")


def _pairs(listens: ibis.Table, min_listeners: int) -> ibis.Table:
    other = listens.view()
    joined = listens.join(other, [listens.user == other.user, listens.place < other.place])
    pairs = joined.select(src=listens.place, dst=other.place).group_by("src", "dst").agg(listeners=_.count())
    return pairs.filter(_.listeners >= min_listeners)


def _weighted(pairs: ibis.Table, listens: ibis.Table, places: ibis.Table) -> ibis.Table:
    """Weigh by the cosine, listeners / √(n_src · n_dst): in double, kept as float32."""
    counted = places.join(listens.group_by("place").agg(n=_.count()), "place")
    src, dst = (counted.select(**{end: _.place, f"{end}_kind": _.kind, f"{end}_n": _.n}) for end in ("src", "dst"))
    joined = pairs.join(src, "src").join(dst, "dst")
    cosine = _.listeners.cast("float64") / (_.src_n * _.dst_n).cast("float64").sqrt()
    return joined.mutate(weight=cosine.cast("float32")).drop("src_n", "dst_n")


def _strongest(edges: ibis.Table, top_k: int) -> ibis.Table:
    """Keep an edge that is among the `top_k` strongest of either end, for the other end's type."""
    # Seen from both ends by unnesting rather than by a union, which would compute all pairs twice.
    ends = edges.mutate(backwards=ibis.array([False, True]).unnest())
    both = ends.select(
        "src", "dst", "listeners", "weight",
        node=_.backwards.ifelse(_.dst, _.src),
        neighbour=_.backwards.ifelse(_.src, _.dst),
        kind=_.backwards.ifelse(_.src_kind, _.dst_kind),
    )  # fmt: skip
    strongest = ibis.window(
        group_by=[both.node, both.kind], order_by=[both.weight.desc(), both.listeners.desc(), both.neighbour]
    )
    ranked = both.mutate(rank=ibis.row_number().over(strongest)).filter(_.rank < top_k)
    return ranked.select("src", "dst", "listeners", "weight").distinct()
