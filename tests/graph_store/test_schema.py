"""Names in Neo4j: readable for plain item types, safe and different for any."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neo4j import Driver

from colisten.errors import SettingsError
from colisten.graph_store.edge_type import CO_LISTENED, EdgeType
from colisten.graph_store.schema import ITEM, ensure_schema, label_of, quoted, relationship_of
from colisten.relations import BUILT_IN, check_relations

ODD = ["a_b", "c", "a", "b_c", "A_B", "a b", "ab", "item", "co_listening_graph", "", "`", "``", "a__b", "книга", "a1",
       "a_1", "Item", 'x"y', "x'y", "x}) DETACH DELETE n //"]  # fmt: skip


def named(one: str, other: str) -> str:
    return relationship_of(EdgeType(one, CO_LISTENED, other))


def test_plain_types_read_well() -> None:
    assert label_of("audiobook") == "Audiobook"
    assert label_of("drug_gm") == "DrugGm"
    assert named("podcast", "audiobook") == "CO_LISTENED_AUDIOBOOK_PODCAST"
    assert named("drug_gm", "grocery") == "CO_LISTENED_DRUG_GM__GROCERY"


def test_splitting_words_differently_does_not_merge_edge_types() -> None:
    assert named("a_b", "c") != named("a", "b_c")


def test_relations_can_be_told_apart() -> None:
    check_relations(BUILT_IN)
    check_relations(("co_listened", "co_listenedby", "same_series"))
    for odd in (("co_listened", "co_listened_by"), ("same", "same"), ("Same",), ("a b",), ("a`",), ("_a",), ("",)):
        with pytest.raises(SettingsError, match="relation"):
            check_relations(odd)


names = st.sampled_from(ODD) | st.text(max_size=6) | st.from_regex(r"[ab]_?[ab]?_?[01]?", fullmatch=True)


@given(names, names)
def test_different_types_have_different_labels(one: str, other: str) -> None:
    assert (label_of(one) == label_of(other)) == (one == other)
    assert label_of(one) not in {ITEM, "CoListeningGraph"}


@given(names, names, names, names)
def test_different_pairs_have_different_relationships(a: str, b: str, c: str, d: str) -> None:
    assert (named(a, b) == named(c, d)) == ({a, b} == {c, d})


def test_the_odd_ones_all_differ() -> None:
    pairs = list(itertools.combinations_with_replacement(ODD, 2))
    assert len({named(*pair) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("name", ["plain", "with space", "back`tick", "``", "quo'te\"s", "x`) DETACH DELETE n //"])
def test_quoted_names_survive_the_server(neo4j_driver: Driver, name: str) -> None:
    neo4j_driver.execute_query(f"CREATE (:{quoted(name)})")
    labels = neo4j_driver.execute_query("MATCH (n) RETURN labels(n) AS labels").records
    assert [record["labels"] for record in labels] == [[name]]


def test_schema_is_made_once(neo4j_driver: Driver) -> None:
    for _ in range(2):
        ensure_schema(neo4j_driver, "neo4j")
    found = neo4j_driver.execute_query("SHOW CONSTRAINTS YIELD labelsOrTypes, properties, type").records
    assert {(record["labelsOrTypes"][0], record["properties"][0]) for record in found} == (
        {("Item", "item"), ("Item", "id"), ("CoListeningGraph", "name")}
    )
    assert {record["type"] for record in found} == {"UNIQUENESS"}
