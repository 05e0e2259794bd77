"""The edges against a brute-force oracle in plain Python; this machine and Spark against the expression on DuckDB."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from colisten import settings
from colisten.errors import GraphError
from colisten.graph_store import strongest_pairs
from colisten.graph_store.co_listening import co_listening
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.graph_store.edges import build_edges
from colisten.graph_store.engines import run_on_duckdb
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from tests.graph_store.worlds import Listen, listening

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUIET = Progress(quiet=True)


def edges_of(data: ListeningData, engine: settings.Engine = "local", **options: object) -> pl.DataFrame:
    graph = settings.GraphSettings.model_validate({"shrinkage": 0.5} | options)
    build_edges(data, graph, data.root.parent / "edges", QUIET, engine=engine)
    return pl.read_parquet(data.root.parent / "edges/edges.parquet")


def on_duckdb(data: ListeningData, *, items_per_user: int, top_k: int) -> pl.DataFrame:
    """The edges by the Ibis expression that Spark runs."""
    out = data.root.parent / "expected.parquet"
    run_on_duckdb(
        lambda tables: co_listening(
            **tables, strong=data.strong, items_per_user=items_per_user, min_listeners=1, shrinkage=0.5, top_k=top_k
        ),
        {"interactions": data.interactions, "items": data.root / "items.parquet"}, out,
        memory_mb=1024, spill=data.root.parent, title="edges", progress=QUIET,
    )  # fmt: skip
    return pl.read_parquet(out)


def places(data: ListeningData) -> dict[int, int]:
    """Item → its place by (type, id) among what is in the catalogue."""
    present = data.items.filter(~pl.col("retired")).sort("item_type", "item_id")["item"]
    return {item: place for place, item in enumerate(present)}


def capped(data: ListeningData, cap: int) -> dict[int, dict[int, int | None]]:
    """User → items and when each was heard last, as the documentation of the cap reads."""
    place = places(data)
    retired = set(data.items.filter("retired")["item"])
    latest: dict[int, dict[int, int | None]] = defaultdict(dict)
    for user, item, signal, time, _ in pl.read_parquet(data.interactions).rows():
        if signal < data.strong and item not in retired:
            latest[user][item] = later(latest[user].get(item), time)

    def order(user: int, item: int, time: int | None) -> tuple[int, int, int]:
        mixed = (place[item] * 48_271 + user * 69_621 + 1) % (2**31 - 1)
        return (1, 0, mixed**2 % (2**31 - 1)) if time is None else (0, -time, mixed**2 % (2**31 - 1))

    def first(user: int, heard: dict[int, int | None]) -> dict[int, int | None]:
        return {item: heard[item] for item in sorted(heard, key=lambda item: order(user, item, heard[item]))[:cap]}

    return {user: first(user, heard) for user, heard in latest.items()}


def later(*times: int | None) -> int | None:
    return max((time for time in times if time is not None), default=None)


Edge = tuple[int, float, int | None]


def oracle(
    data: ListeningData, *, cap: int, min_listeners: int, top_k: int, shrinkage: float
) -> dict[tuple[int, int], Edge]:
    heard = capped(data, cap)
    n = Counter(item for items in heard.values() for item in items)
    kind = data.items["item_type"].to_list()
    place = {item: (kind[item], row) for item, row in data.items.select("item", "row").rows()}
    named = places(data)
    graph: nx.Graph[int] = nx.Graph()
    for items in heard.values():
        for a, b in itertools.combinations(items, 2):
            known = graph.get_edge_data(a, b, {"listeners": 0, "last": None})
            last = later(known["last"], items[a], items[b])
            graph.add_edge(a, b, listeners=known["listeners"] + 1, last=last)
    kept: dict[tuple[int, int], Edge] = {}
    for a, b, found in graph.edges(data=True):
        shared = found["listeners"]
        if shared >= min_listeners:
            weight = float(np.float32(shared / np.sqrt(np.float64(n[a] * n[b])) * (shared / (shared + shrinkage))))
            kept[min(a, b, key=place.__getitem__), max(a, b, key=place.__getitem__)] = (shared, weight, found["last"])
    if not top_k:
        return kept
    groups = defaultdict(list)
    for (a, b), (listeners, weight, _) in kept.items():
        for node, other in ((a, b), (b, a)):
            groups[node, kind[other]].append((-weight, -listeners, named[other], (a, b)))
    strongest = {pair for group in groups.values() for *_, pair in sorted(group)[:top_k]}
    return {pair: kept[pair] for pair in strongest}


def as_dict(edges: pl.DataFrame) -> dict[tuple[int, int], Edge]:
    return {(a, b): (n, w, last) for a, b, n, w, last in edges.drop("src_type", "relation", "dst_type").rows()}


listens = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 9), st.sampled_from([0, 0, 0, 1]), st.none() | st.integers(0, 3)),
    max_size=60,
)


@pytest.mark.slow
@given(listens, st.integers(2, 5), st.integers(1, 2), st.integers(0, 3), st.sampled_from([0, 0.3, 5]))
@examples(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_edges_equal_the_oracle(
    tmp_path_factory: pytest.TempPathFactory, heard: list[Listen], cap: int, least: int, top_k: int, shrinkage: float
) -> None:
    types = ["podcast", "b", "a", "podcast", "a", "b", "a", "podcast", "a", "b"]
    data = listening(tmp_path_factory.mktemp("world") / "data", types, heard, retired=[4])
    found = edges_of(data, items_per_user=cap, min_listeners=least, top_k=top_k, shrinkage=shrinkage)
    assert as_dict(found) == oracle(data, cap=cap, min_listeners=least, top_k=top_k, shrinkage=shrinkage)
    assert dict(found.schema) == {
        "src": pl.Int32, "dst": pl.Int32, "src_type": pl.String, "relation": pl.String, "dst_type": pl.String,
        "listeners": pl.Int32, "weight": pl.Float32, "last": pl.Int64,
    }  # fmt: skip
    assert found.equals(found.sort("src_type", "relation", "dst_type", "src", "dst"))


def test_edges_of_a_crowd_equal_the_oracle(tmp_path: Path) -> None:
    data = crowd(tmp_path)
    found = edges_of(data, items_per_user=20, min_listeners=2, top_k=4)
    wanted = oracle(data, cap=20, min_listeners=2, top_k=4, shrinkage=0.5)
    assert len(wanted) > 300
    assert as_dict(found) == wanted


def crowd(folder: Path, users: int = 150, items: int = 90) -> ListeningData:
    rng = np.random.default_rng(3)
    popular = rng.zipf(1.4, size=users * 40) % items
    who = rng.integers(0, users, size=popular.size)
    when = rng.integers(0, 50, size=popular.size)
    signal = (rng.random(popular.size) < 0.2).astype(int)
    rows = [
        (int(u), int(i), int(s), None if t > 40 else int(t))
        for u, i, s, t in zip(who, popular, signal, when, strict=True)
    ]
    types = [("audiobook", "podcast", "Frozen 'Grocery'")[i % 3] for i in range(items)]
    return listening(folder / "data", types, rows, retired=[5, 50])


@pytest.mark.parametrize("top_k", [0, 3])
@pytest.mark.parametrize("listen_bytes", [64, 1 << 20])
def test_the_product_and_the_expression_give_the_same_edges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top_k: int, listen_bytes: int
) -> None:
    """In one part, and in many where a listen takes a megabyte."""
    monkeypatch.setattr(strongest_pairs, "_LISTEN_BYTES", listen_bytes)
    data = crowd(tmp_path)
    found = edges_of(data, items_per_user=12, top_k=top_k)
    assert found.height > 200
    assert found.equals(on_duckdb(data, items_per_user=12, top_k=top_k))


def test_cap_keeps_the_latest_and_puts_unknown_times_last(tmp_path: Path) -> None:
    data = listening(tmp_path / "data", ["a"] * 4, [(0, 0, 0, 5), (0, 1, 0, None), (0, 2, 0, 9), (0, 3, 0, 1)])
    assert edges_of(data, items_per_user=2).select("src", "dst").rows() == [(0, 2)]
    assert edges_of(data, items_per_user=3).select("src", "dst").rows() == [(0, 2), (0, 3), (2, 3)]


def test_cap_among_equal_times_does_not_favour_low_numbers(tmp_path: Path) -> None:
    data = listening(tmp_path / "data", ["a"] * 40, [(u, i, 0, None) for u in range(60) for i in range(40)])
    kept = edges_of(data, items_per_user=4, top_k=0)
    ends = pl.concat([kept["src"], kept["dst"]])
    assert ends.n_unique() == 40
    assert 15 < ends.to_numpy().mean() < 25


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    data = crowd(tmp_path)
    first = edges_of(data, items_per_user=10, top_k=3)
    shuffled = pl.read_parquet(data.interactions).sample(fraction=1, shuffle=True, seed=1)
    shuffled.write_parquet(data.interactions)
    assert edges_of(data, items_per_user=10, top_k=3).equals(first)


def test_summary_counts_what_the_file_holds(tmp_path: Path) -> None:
    data = listening(
        tmp_path / "data", ["a", "a", "b", "b", "b"], [(0, 0, 0, 1), (0, 1, 0, 1), (0, 2, 0, 1)], retired=[4]
    )
    summary = build_edges(data, settings.GraphSettings(), tmp_path / "edges", QUIET)
    assert summary.edges == {("a", CO_LISTENED, "a"): 1, ("a", CO_LISTENED, "b"): 2}
    assert summary.degree == {
        ("a", CO_LISTENED, "a"): 1.0, ("a", CO_LISTENED, "b"): 1.0, ("b", CO_LISTENED, "a"): 1.0,
    }  # fmt: skip
    assert summary.items == {"a": 2, "b": 2}
    assert summary.isolated == {"a": 0, "b": 1}
    assert summary.total == 3


def test_no_listening_gives_an_empty_file(tmp_path: Path) -> None:
    data = listening(tmp_path / "data", ["a", "b"], [])
    assert edges_of(data).is_empty()


def test_nothing_is_left_behind_when_the_engine_fails(tmp_path: Path) -> None:
    data = listening(tmp_path / "data", ["a", "b"], [(0, 0, 0, 1)])
    (tmp_path / "data/interactions.parquet").write_bytes(b"not parquet")
    with pytest.raises(GraphError, match="import the listening data again"):
        edges_of(data)
    assert list((tmp_path / "edges").iterdir()) == []


@pytest.mark.slow
def test_little_memory_gives_the_same_edges(tmp_path: Path) -> None:
    listens = [(u, i, 0, None) for u in range(20) for i in range(u, 4000, 4)]
    data = listening(tmp_path / "data", ["a", "b"] * 2000, listens)
    roomy = edges_of(data, items_per_user=1000, memory_mb=2048)
    assert edges_of(data, items_per_user=1000, memory_mb=128).equals(roomy)


@pytest.mark.slow
@pytest.mark.usefixtures("java")
def test_spark_gives_the_same_edges(tmp_path: Path) -> None:
    data = crowd(tmp_path)
    on_spark = edges_of(data, engine="spark", items_per_user=12, top_k=3)
    assert on_spark.height > 200
    assert on_spark.equals(on_duckdb(data, items_per_user=12, top_k=3))


@pytest.mark.slow
def test_spark_gives_the_same_edges_where_executors_are_other_processes(
    two_executors: SparkSession, tmp_path: Path
) -> None:
    """Of a session that the caller brings and keeps, in a folder whose name is no plain word."""
    data = crowd(tmp_path / "a folder")
    two_executors.range(1).createOrReplaceTempView("items")
    on_spark = edges_of(data, engine="spark", items_per_user=12, top_k=3)
    assert two_executors.table("items").count() == 1
    assert on_spark.equals(on_duckdb(data, items_per_user=12, top_k=3))
