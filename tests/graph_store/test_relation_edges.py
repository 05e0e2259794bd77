"""Edges of the relations beside co-listening, against plain loops over all pairs of a small catalogue."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.graph_store.edge_properties import SCHEMA
from colisten.graph_store.relations import text_neighbours as by_text
from colisten.graph_store.relations.edges import relation_edges, similar_text
from colisten.graph_store.relations.text_neighbours import text_neighbours
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.relations import LEAST_COSINE
from colisten.settings import GraphSettings
from tests.worlds import Columns, write_listening

QUIET = Progress(quiet=True)
TYPES = ("book", "pod")
NO_TEXT = np.zeros((40, 0), np.float32)

catalogues = st.lists(
    st.tuples(
        st.sampled_from(TYPES),
        st.sampled_from([None, "Rings", " rings ", "Dunes", ""]),
        st.one_of(st.none(), st.sampled_from([1.0, 2.0, 2.5, 3.0, 7.0])),
        st.lists(st.sampled_from(["Ann", "ann ", "Bo", "Cy", " "]), max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


def world(
    folder: Path, rows: list[tuple[str, str | None, float | None, list[str], bool]],
    relations: list[tuple[int, int, str, float]] | None = None,
) -> ListeningData:  # fmt: skip
    kinds, series, positions, creators, retired = zip(*rows, strict=True)
    items: Columns = {
        "item_id": [f"i{99 - place}" for place in range(len(rows))],
        "series": pl.Series(series, dtype=pl.String),
        "series_position": pl.Series(positions, dtype=pl.Float32),
        "creators": pl.Series(creators, dtype=pl.List(pl.String)),
        "retired": list(retired),
    }
    return write_listening(folder, list(kinds), [], items=items, relations=relations or [])


def edges(data: ListeningData, words: str, text: np.ndarray = NO_TEXT) -> pl.DataFrame:
    found = relation_edges(data, text, GraphSettings.model_validate({"relations": words}).relations, QUIET)
    assert dict(found.schema) == {name: kind() for name, kind in SCHEMA.items()}
    return found


def pairs(found: pl.DataFrame) -> dict[tuple[int, int], float]:
    return dict(zip(found.select("src", "dst").rows(), found["weight"].to_list(), strict=True))


def plain(name: str | None) -> str:
    return " ".join((name or "").lower().split())


@settings(max_examples=60)
@given(rows=catalogues)
def test_items_of_one_series_are_joined_by_their_distance_in_it(
    rows: list[tuple[str, str | None, float | None, list[str], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = edges(world(Path(folder), rows), "same_series:99")
    wanted = {}
    for a, b in combinations(range(len(rows)), 2):
        (kind_a, series_a, at_a, _, gone_a), (kind_b, series_b, at_b, _, gone_b) = rows[a], rows[b]
        if plain(series_a) and plain(series_a) == plain(series_b) and not gone_a and not gone_b:
            src, dst = (a, b) if kind_a <= kind_b else (b, a)
            far = None if at_a is None or at_b is None else (rows[dst][2] or 0) - (rows[src][2] or 0)
            wanted[src, dst] = (0.5 if far is None else 1 / max(1, abs(far)), far)
    assert {key: pytest.approx(weight) for key, (weight, _) in wanted.items()} == pairs(found)
    steps = dict(zip(found.select("src", "dst").rows(), found["step"].to_list(), strict=True))
    assert steps == {key: far if far is None else pytest.approx(far) for key, (_, far) in wanted.items()}


@settings(max_examples=60)
@given(rows=catalogues)
def test_items_with_a_creator_in_common_are_joined_by_the_cosine_of_their_creators(
    rows: list[tuple[str, str | None, float | None, list[str], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = edges(world(Path(folder), rows), "same_creator:99")
    wanted = {}
    for a, b in combinations(range(len(rows)), 2):
        mine, theirs = ({plain(name) for name in rows[item][3]} - {""} for item in (a, b))
        if mine & theirs and not rows[a][4] and not rows[b][4]:
            key = (a, b) if rows[a][0] <= rows[b][0] else (b, a)
            wanted[key] = len(mine & theirs) / (len(mine) * len(theirs)) ** 0.5
    assert {key: pytest.approx(weight, rel=1e-5) for key, weight in wanted.items()} == pairs(found)


@settings(max_examples=30)
@given(rows=catalogues, cap=st.integers(1, 4), seed=st.integers(0, 99))
def test_near_texts_are_the_nearest_of_each_type(
    rows: list[tuple[str, str | None, float | None, list[str], bool]], cap: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    text = rng.normal(size=(len(rows), 3)).astype(np.float32)
    text[rng.random(len(rows)) < 0.2] = 0
    with tempfile.TemporaryDirectory() as folder:
        found = edges(world(Path(folder), rows), f"similar_text:{cap}", text)
    unit = text / np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-9)
    wanted = {}
    for a, (kind_a, _, _, _, gone) in enumerate(rows):
        for other_kind in TYPES:
            others = [
                b for b, row in enumerate(rows) if b != a and row[0] == other_kind and not row[4] and text[b].any()
            ]
            if gone or not text[a].any():
                continue
            for b in sorted(others, key=lambda b: -float(unit[a] @ unit[b]))[:cap]:
                if unit[a] @ unit[b] >= LEAST_COSINE:
                    in_order = (kind_a, a) < (other_kind, b)
                    wanted[(a, b) if in_order else (b, a)] = float(unit[a] @ unit[b])
    assert {key: pytest.approx(weight, abs=1e-5) for key, weight in wanted.items()} == pairs(found)


def test_a_graph_of_texts_finds_nearly_what_comparing_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    topics = rng.normal(size=(60, 32))
    text = (topics[rng.integers(0, 60, 3000)] + rng.normal(0, 0.7, (3000, 32))).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    exact = text_neighbours(text, text, 11, QUIET)
    monkeypatch.setattr(by_text, "EXACT_UP_TO", 100)
    found, again = (text_neighbours(text, text, 11, QUIET) for _ in range(2))
    np.testing.assert_array_equal(found.items, again.items)
    recall = np.mean([len(set(a) & set(b)) / 11 for a, b in zip(found.items, exact.items, strict=True)])
    assert recall >= 0.95
    np.testing.assert_allclose(found.cosine[:, 0], 1, atol=1e-5)


def test_relations_of_the_platform_keep_their_direction_if_they_have_one(tmp_path: Path) -> None:
    rows: list[tuple[str, str | None, float | None, list[str], bool]] = [
        ("pod", None, None, [], False), ("book", None, None, [], False), ("book", None, None, [], False),
        ("book", None, None, [], True),
    ]  # fmt: skip
    given = [(0, 1, "inspired", 0.5), (1, 0, "inspired", 0.9), (2, 1, "inspired", 1.0), (2, 3, "inspired", 1.0)]
    data = world(tmp_path / "data", rows, given)
    assert edges(data, "same_series").is_empty()
    assert pairs(edges(data, "inspired")) == {(1, 0): pytest.approx(0.9), (1, 2): 1.0}
    directed = edges(data, "inspired:directed")
    assert pairs(directed) == {(0, 1): 0.5, (1, 0): pytest.approx(0.9), (2, 1): 1.0}
    assert directed.select("src_type", "dst_type").rows() == [("book", "book"), ("book", "pod"), ("pod", "book")]


@settings(max_examples=20)
@given(count=st.integers(2, 120), cap=st.integers(1, 5))
def test_a_creator_of_many_titles_makes_no_more_edges_of_one_than_any_other(count: int, cap: int) -> None:
    rows = [(TYPES[place % 2], "Endless", float(place), ["Various"], False) for place in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        data = world(Path(folder), rows)  # type: ignore[arg-type]  # no value is missing
        for relation in ("same_series", "same_creator"):
            ends: dict[tuple[int, str], int] = defaultdict(int)
            for src, dst, src_type, dst_type in (
                edges(data, f"{relation}:{cap}").select("src", "dst", "src_type", "dst_type").iter_rows()
            ):
                ends[src, dst_type] += 1
                ends[dst, src_type] += 1
            assert len({item for item, _ in ends}) == count
            assert max(ends.values()) <= 2 * cap


def test_near_texts_of_many_types_do_not_join_each_type_to_each() -> None:
    """Forty items of as many types, all with one text: each keeps an edge to sixteen of them at most."""
    names = [f"t{number:02}" for number in range(40)]
    items = pl.DataFrame({"item": range(40), "item_type": names}).with_row_index("place")
    near = similar_text(items, np.ones((40, 3), np.float32), 1, Progress(quiet=True))
    assert near.group_by("a").len()["len"].to_list() == [16] * 40
    assert set(near.filter(pl.col("a") == 39)["b"]) == set(range(16)), "of equal ones the first by type and id"
