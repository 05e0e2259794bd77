"""Edges of every relation beside co-listening, as rows of the edges file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from colisten.arrays import Floats
from colisten.graph_store.edge_properties import SCHEMA, scan_edges
from colisten.graph_store.edge_summary import FILE, EdgeSummary, summarise
from colisten.graph_store.relations.catalogue import same_creator, same_series
from colisten.graph_store.relations.text_neighbours import text_neighbours
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.relations import LEAST_COSINE, SAME_CREATOR, SAME_SERIES, SIMILAR_TEXT
from colisten.settings import RelationSettings
from colisten.workdir import replacing_file

_TYPES = 16
"""Item types of which an item may have all the near texts that it could."""
_PAIRS = {"a": pl.Int64, "b": pl.Int64, "weight": pl.Float32}


def add_relations(
    co_listened: Path, data: ListeningData, text: Floats, relations: tuple[RelationSettings, ...], out: Path,
    progress: Progress,
) -> EdgeSummary:  # fmt: skip
    """Write the co-listening edges with those of these relations to `out/edges.parquet`, with the columns of `SCHEMA`.

    Args:
        co_listened: a file of `build_edges`.
        data: the catalogue, and the relations that the platform brings.
        text: float32 [items, width ≥ 0], text vectors; zeros for an item without any text.
        relations: what to add.
        out: the folder.
        progress: advanced while texts are compared.

    Raises:
        OutOfSpaceError: the disk is full.
    """
    others = relation_edges(data, text, relations, progress)
    whole = pl.concat([scan_edges(pl.scan_parquet(co_listened, glob=False)).select(*SCHEMA), others.lazy()])
    with replacing_file(out / FILE) as draft:
        whole.sink_parquet(draft)
    return summarise(pl.scan_parquet(out / FILE, glob=False), data)


def relation_edges(
    data: ListeningData, text: Floats, relations: tuple[RelationSettings, ...], progress: Progress
) -> pl.DataFrame:
    """The edges of these relations, relation by relation in the order of their names, with the columns of `SCHEMA`.

    Each item keeps its `cap` strongest edges of a relation to each item type, of equal ones those to the items of the
    first ids; an edge stays if either end keeps it. Retired items have none.
    """
    items = data.items.filter(~pl.col("retired")).sort("item_type", "item_id").with_row_index("place")
    found = [_edges(data, items, text, relation, progress) for relation in relations]
    edges = pl.concat([pl.DataFrame(schema=SCHEMA), *found])
    return edges.sort("relation", "src_type", "dst_type", "src", "dst")


def _edges(
    data: ListeningData, items: pl.DataFrame, text: Floats, relation: RelationSettings, progress: Progress
) -> pl.DataFrame:
    if relation.name == SAME_SERIES:
        pairs = same_series(items, relation.cap)
    elif relation.name == SAME_CREATOR:
        pairs = same_creator(items, relation.cap)
    elif relation.name == SIMILAR_TEXT:
        pairs = similar_text(items, text, relation.cap, progress)
    else:
        given = data.relations.filter(pl.col("relation") == relation.name)
        pairs = given.select("weight", a="src", b="dst")
    kept = _strongest(_stored(pairs, items, relation), relation.cap)
    return kept.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def similar_text(items: pl.DataFrame, text: Floats, cap: int, progress: Progress) -> pl.DataFrame:
    """Pairs of items whose text vectors are near: `a`, `b`, `weight`, the cosine; at least `LEAST_COSINE`.

    Each item is compared with those of each type, and gives its `cap` nearest of it, itself not counted; no more than
    of `_TYPES` types in all, so that edges and edge types do not grow with the square of the types.
    """
    length = np.linalg.norm(text, axis=1)
    written = items.filter(pl.Series(length[items["item"].to_numpy()] > 0)).sort("item")
    everything = written["item"].to_numpy()
    unit = text[everything] / length[everything, None]
    pairs = pl.DataFrame(schema=_PAIRS)
    for kind in written["item_type"].unique(maintain_order=True):
        of_kind = np.flatnonzero((written["item_type"] == kind).to_numpy())
        near = text_neighbours(unit, unit[of_kind], cap + 1, progress)
        a, b = np.repeat(everything, near.items.shape[1]), everything[of_kind[near.items.ravel()]]
        pairs = pairs.vstack(pl.DataFrame({"a": a, "b": b, "weight": near.cosine.ravel()}, _PAIRS))
    similar = pairs.filter(pl.col("a") != pl.col("b"), pl.col("weight") >= LEAST_COSINE)
    if written["item_type"].n_unique() > _TYPES:
        ranked = similar.join(written.select("place", b="item"), on="b").sort("a", -pl.col("weight"), "place")
        similar = ranked.group_by("a", maintain_order=True).head(cap * _TYPES).drop("place")
    return similar.with_columns(pl.col("weight").clip(upper_bound=1))


def _stored(pairs: pl.DataFrame, items: pl.DataFrame, relation: RelationSettings) -> pl.DataFrame:
    """Pairs as they lie in an edges file: once, unless directed, from the first to the second type by name, within a
    type from the lower to the higher item; of several weights the greatest. Adds the places of both ends."""
    known = items.select("item", "item_type", "place")
    named = pairs.join(known, left_on="a", right_on="item").join(known, left_on="b", right_on="item", suffix="_b")
    ordered = (pl.col("item_type") < pl.col("item_type_b")) | (
        (pl.col("item_type") == pl.col("item_type_b")) & (pl.col("a") < pl.col("b"))
    )
    kept = pl.lit(value=True) if relation.directed else ordered
    step = pl.col("step") if "step" in pairs.columns else pl.lit(None, pl.Float32)
    turned = named.select(
        "weight",
        src=pl.when(kept).then("a").otherwise("b"), dst=pl.when(kept).then("b").otherwise("a"),
        src_type=pl.when(kept).then("item_type").otherwise("item_type_b"),
        dst_type=pl.when(kept).then("item_type_b").otherwise("item_type"),
        src_place=pl.when(kept).then("place").otherwise("place_b"),
        dst_place=pl.when(kept).then("place_b").otherwise("place"),
        step=pl.when(kept).then(step).otherwise(-step),
    )  # fmt: skip
    once = turned.sort("weight", descending=True, maintain_order=True).unique(["src", "dst"], keep="first")
    nothing = {"listeners": pl.lit(None, pl.Int32), "last": pl.lit(None, pl.Int64)}
    return once.with_columns(relation=pl.lit(relation.name), **nothing)


def _strongest(edges: pl.DataFrame, cap: int) -> pl.DataFrame:
    """Keep an edge that is among the `cap` strongest of either end, for the other end's type."""
    numbered = edges.with_row_index("edge")
    ends = [
        numbered.select("edge", "weight", end=near, other=f"{far}_place", type=f"{far}_type")
        for near, far in (("src", "dst"), ("dst", "src"))
    ]
    order = ("end", "type", "weight", "other")
    ranked = pl.concat(ends).sort(order, descending=[False, False, True, False])
    kept = ranked.filter(pl.int_range(pl.len()).over("end", "type") < cap)
    return numbered.join(kept.select("edge").unique(), on="edge", how="semi")
