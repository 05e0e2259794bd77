"""Co-listening edges (item–item cosine, shrunk and pruned to top-K) as Ibis expressions, for DuckDB and for Spark.

Two items are joined when enough people listened to both (paper 4.1.1). What the paper leaves out is set here: a cap on
the items of one user, a weight (cosine, shrunk where listeners are few), and top-K per item and edge type.
"""

from __future__ import annotations

import ibis
from ibis import _

from colisten.graph_store.edge_type import CO_LISTENED

_PRIME = 2_147_483_647
"""2³¹ - 1: products of two numbers below it fit an int64 on every engine."""


def co_listening(
    interactions: ibis.Table, items: ibis.Table, *, strong: int, items_per_user: int, min_listeners: int,
    shrinkage: float, top_k: int,
) -> ibis.Table:  # fmt: skip
    """The edges over the two files of the listening contract, as `edges.build_edges` says; `top_k` 0 keeps all."""
    places = places_of(items)
    listens = listens_of(interactions, places, strong=strong, items_per_user=items_per_user)
    weighted = _weighted(_pairs(listens, min_listeners), listens, places, shrinkage)
    return edges_of(_strongest(weighted, top_k) if top_k else weighted, places)


def places_of(items: ibis.Table) -> ibis.Table:
    """Number items and types, so that later steps handle small integers only.

    The numbers follow the names of what is in the catalogue today: however an item came to its number, ties
    end alike, and a graph kept up day by day has the edges of one built anew.
    """
    present = items.filter(~_.retired)
    place = ibis.row_number().over(order_by=[present.item_type, present.item_id]).cast("int32")
    kind = ibis.dense_rank().over(order_by=present.item_type).cast("int16")
    return present.mutate(place=place, kind=kind).select("item", "item_type", "place", "kind")


def listens_of(interactions: ibis.Table, places: ibis.Table, *, strong: int, items_per_user: int) -> ibis.Table:
    """Distinct `user`, `place` of strong signals with the `last` time: the latest of each user, unknown times last.

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
    return ranked.filter(_.rank < items_per_user).select("user", "place", "last")


def edges_of(pairs: ibis.Table, places: ibis.Table) -> ibis.Table:
    """The edges file's rows of pairs of places `src` < `dst` with `listeners`, `weight`, `last`, in order."""
    src, dst = (
        places.select(**{end: _.place, f"{end}_item": _.item, f"{end}_type": _.item_type}) for end in ("src", "dst")
    )
    named = pairs.join(src, "src").join(dst, "dst")
    turned = (_.src_type == _.dst_type) & (_.src_item > _.dst_item)  # within a type, numbers and rows rise together
    return named.select(
        src=turned.ifelse(_.dst_item, _.src_item), dst=turned.ifelse(_.src_item, _.dst_item),
        src_type=_.src_type, relation=ibis.literal(CO_LISTENED), dst_type=_.dst_type,
        listeners=_.listeners.cast("int32"), weight=_.weight, last=_.last,
    ).order_by("src_type", "relation", "dst_type", "src", "dst")  # fmt: skip


def _pairs(listens: ibis.Table, min_listeners: int) -> ibis.Table:
    other = listens.view()
    joined = listens.join(other, [listens.user == other.user, listens.place < other.place])
    both = joined.select(src=listens.place, dst=other.place, last=ibis.greatest(listens.last, other.last))
    pairs = both.group_by("src", "dst").agg(listeners=_.count(), last=_.last.max())
    return pairs.filter(_.listeners >= min_listeners)


def _weighted(pairs: ibis.Table, listens: ibis.Table, places: ibis.Table, shrinkage: float) -> ibis.Table:
    """Weigh by the cosine, listeners / √(n_src · n_dst), shrunk by listeners / (listeners + shrinkage).

    In double, kept as float32.
    """
    counted = places.join(listens.group_by("place").agg(n=_.count()), "place")
    src, dst = (counted.select(**{end: _.place, f"{end}_kind": _.kind, f"{end}_n": _.n}) for end in ("src", "dst"))
    joined = pairs.join(src, "src").join(dst, "dst")
    shared = _.listeners.cast("float64")
    weight = shared / (_.src_n * _.dst_n).cast("float64").sqrt() * (shared / (shared + float(shrinkage)))
    return joined.mutate(weight=weight.cast("float32")).drop("src_n", "dst_n")


def _strongest(edges: ibis.Table, top_k: int) -> ibis.Table:
    """Keep an edge that is among the `top_k` strongest of either end, for the other end's type."""
    # Seen from both ends by unnesting rather than by a union, which would compute all pairs twice.
    ends = edges.mutate(backwards=ibis.array([False, True]).unnest())
    both = ends.select(
        "src", "dst", "listeners", "weight", "last",
        node=_.backwards.ifelse(_.dst, _.src),
        neighbour=_.backwards.ifelse(_.src, _.dst),
        kind=_.backwards.ifelse(_.src_kind, _.dst_kind),
    )  # fmt: skip
    strongest = ibis.window(
        group_by=[both.node, both.kind], order_by=[both.weight.desc(), both.listeners.desc(), both.neighbour]
    )
    ranked = both.mutate(rank=ibis.row_number().over(strongest)).filter(_.rank < top_k)
    return ranked.select("src", "dst", "listeners", "weight", "last").distinct()
