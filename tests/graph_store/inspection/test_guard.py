"""Queries that would read beyond the graph are refused, whatever they are dressed in; others are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neo4j import Driver
from neo4j.exceptions import ClientError, Neo4jError

from colisten.errors import GraphError
from colisten.graph_store.endpoint import Endpoint
from colisten.graph_store.inspection.cypher import run_cypher
from colisten.graph_store.inspection.guard import check_reads_the_graph_only
from colisten.workdir import Workdir

REFUSED = [
    "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
    "load\tcsv WITH HEADERS FROM 'http://169.254.169.254/' AS line RETURN line",
    "MATCH (n) CALL (n) { LOAD CSV FROM 'file:///x' AS line RETURN line } RETURN line",
    "RETURN '//' AS a UNION LOAD /* ' */ CSV // \"\nFROM 'file:///x' AS a RETURN a",
    r"\u004cOAD CSV FROM 'file:///x' AS line RETURN line",
    r"RETURN 1 /* \u002a/ AS a UNION LOAD CSV FROM 'file:///x' AS a RETURN a // */",
    "RETURN `a ' b` LOAD CSV FROM 'x' AS `'` RETURN 1",
    "CALL apoc.load.json('http://example.org') YIELD value RETURN value",
    "CALL `apoc`.`load`. /**/ json('x')",
    "CALL {CALL apoc.cypher.run('LOAD CSV …', {}) YIELD value RETURN value} RETURN value",
    "CALL `db`.`odd name`()",
    "CALL\u180eapoc.load.json",
    "call dbms.killTransaction('neo4j-transaction-1')",
    "RETURN apoc.cypher.runFirstColumnSingle('LOAD' + ' CSV FROM …', {})",
    "RETURN apoc . util . sha1 (['x'])",
    "TERMINATE TRANSACTION 'neo4j-transaction-1'",
]
ALLOWED = [
    "RETURN 'LOAD CSV FROM \"file:///etc/passwd\"' AS words",
    'RETURN "it\'s // no comment, CALL apoc.load.json()" AS words',
    "MATCH (n:Item) /* LOAD CSV FROM 'x' */ RETURN n.title // CALL apoc.load.json()",
    "WITH 1 AS load, 2 AS csv RETURN load, csv, load AS `LOAD CSV FROM`",
    "MATCH (n) WHERE n.title IN ['a'] CALL (n) { MATCH (n)--(m) RETURN count(m) AS near } RETURN near",
    "MATCH (n) CALL { WITH n RETURN n.title AS call } RETURN call AS title",
    "CALL db.labels() YIELD label RETURN label",
    "CALL `db`.`relationshipTypes`",
    "CALL db.index . fulltext.listAvailableAnalyzers() YIELD analyzer RETURN count(*)",
    "RETURN date.truncate('day', datetime()) AS day, duration.between(date(), date()) AS time",
    "MATCH (n {id: 'x'}) RETURN n.title, size(n.genres), 1.5 * (2), [1,2][0..1], n{.id}",
    "SHOW INDEXES YIELD name RETURN name",
]


@pytest.mark.parametrize("query", REFUSED)
def test_what_reads_beyond_the_graph_is_refused(query: str) -> None:
    with pytest.raises(GraphError, match="cypher-shell"):
        check_reads_the_graph_only(query)


@pytest.mark.parametrize("query", ALLOWED)
def test_words_alone_are_no_reason(neo4j_driver: Driver, query: str) -> None:
    run_cypher(neo4j_driver, "neo4j", query)


_BLANK = st.sampled_from([" ", "\n", "\t", "/* x */", "/*'*/", '/*"*/', "// '\n", "\u00a0", "\u2003", "\u180e"])
_BEFORE = st.sampled_from(["", "RETURN 1 AS a UNION ", "MATCH (n) ", "WITH '\\'' AS x ", 'WITH "//" AS x ', "/**/"])


def cased(word: str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.sampled_from([letter.lower(), letter.upper()]) for letter in word)).map("".join)


@given(_BEFORE, cased("load"), st.lists(_BLANK, min_size=1).map("".join), cased("csv"), _BLANK, cased("from"))
def test_no_dress_hides_it(before: str, load: str, blanks: str, csv: str, blank: str, of: str) -> None:
    with pytest.raises(GraphError, match="LOAD CSV"):
        check_reads_the_graph_only(f"{before}{load}{blanks}{csv}{blank}{of} 'file:///x' AS l RETURN l")


def test_the_managed_server_reads_no_file_and_no_address(
    neo4j_driver: Driver, neo4j_endpoint: Endpoint, graph_workdir: Workdir
) -> None:
    """Even for those who do not ask by `colisten graph cypher`."""
    password = graph_workdir.neo4j / "password"
    if not password.exists():
        pytest.skip("the tests' Neo4j is not a managed one")
    inside = graph_workdir.neo4j / "import"
    inside.mkdir(exist_ok=True)
    (inside / "secret.csv").symlink_to(password)
    try:
        http = neo4j_endpoint.uri.replace("bolt", "http")
        for url in (password.as_uri(), "file:///secret.csv", "file:///etc/passwd", http, "http://[::1]:1/"):
            with pytest.raises((ClientError, Neo4jError)) as told:
                neo4j_driver.execute_query("LOAD CSV FROM $url AS line RETURN line", url=url)
            message = str(told.value)
            assert "allow_csv_import_from_file_urls" in message or "block" in message, message
    finally:
        (inside / "secret.csv").unlink()


@pytest.mark.parametrize("query", [
    "CREATE USER somebody SET PASSWORD 'long enough'", "ALTER CURRENT USER SET PASSWORD FROM 'a' TO 'long enough'",
    "DROP DATABASE neo4j", "STOP DATABASE neo4j",
])  # fmt: skip
def test_administration_is_refused_by_the_server(neo4j_driver: Driver, query: str) -> None:
    with pytest.raises(GraphError, match="would write"):
        run_cypher(neo4j_driver, "neo4j", query)


def test_a_guarded_question_is_never_sent(neo4j_driver: Driver, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x\n")
    with pytest.raises(GraphError, match="read the graph only"):
        run_cypher(neo4j_driver, "neo4j", f"LOAD CSV FROM '{file.as_uri()}' AS line RETURN line")
