from __future__ import annotations

from pathlib import Path

import pytest

from colisten.errors import GraphError, OutOfSpaceError
from colisten.graph_store.server.diagnosis import why_it_failed

FAILED = """\
2026-11-22 00:33:16.000+0000 INFO  Starting...
2026-11-22 00:33:16.707+0000 ERROR Failed to start Neo4j on 127.0.0.1:40851.
java.lang.RuntimeException: Error starting Neo4j database server at data/databases
\tat org.neo4j.server.CommunityEntryPoint.main(CommunityEntryPoint.java:30)
"""


@pytest.mark.parametrize(
    ("console", "log", "kind", "words"),
    [
        ("", FAILED, GraphError, "Failed to start Neo4j on 127.0.0.1:40851"),
        ("", FAILED + "Caused by: java.lang.X: store is locked\n\tat y\n", GraphError, "java.lang.X: store is locked"),
        ("Invalid maximum heap size: -Xmx999t\n", "", GraphError, "Invalid maximum heap size"),
        ("", FAILED + "Caused by: java.io.IOException: No space left on device", OutOfSpaceError, "No space"),
        ("", FAILED + "Caused by: java.net.BindException: Address already in use", GraphError, "port"),
        ("", "", GraphError, "without a word"),
    ],
)
def test_the_last_cause_is_told(tmp_path: Path, console: str, log: str, kind: type[Exception], words: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/console.log").write_text(console)
    (tmp_path / "logs/neo4j.log").write_text(log)
    error = why_it_failed(tmp_path)
    assert type(error) is kind
    assert words in str(error)
    assert "\n" not in str(error)
