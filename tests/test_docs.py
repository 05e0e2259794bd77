"""Pages with code are run from top to bottom, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from colisten.graph_store.endpoint import Endpoint, connect
from tests.conftest import wipe
from tests.pages import DOCS, blocks

PAGES = sorted([*DOCS.parent.glob("*.md"), *DOCS.glob("*.md")])
LONGEST_LINE = 120


@pytest.fixture
def _in_a_folder(neo4j_endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder; the tests' Neo4j is the one to use, and it is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLISTEN_NEO4J_URI", neo4j_endpoint.uri)
    monkeypatch.setenv("COLISTEN_NEO4J_USER", neo4j_endpoint.user)
    monkeypatch.setenv("COLISTEN_NEO4J_PASSWORD", neo4j_endpoint.password.get_secret_value())
    with connect(neo4j_endpoint) as driver:
        wipe(driver)


@pytest.mark.usefixtures("_in_a_folder")
def test_the_python_page_runs(neo4j_endpoint: Endpoint) -> None:
    names: dict[str, object] = {}
    for language, file, code in blocks("python.md"):
        if language != "python" or file == "no-run":
            continue
        if "W-judged" in code:  # another catalogue's graph is never overwritten on a server that is not ours
            with connect(neo4j_endpoint) as driver:
                wipe(driver)
        exec(compile(code, "docs/python.md", "exec"), names)  # noqa: S102 — our own page


@pytest.mark.usefixtures("_in_a_folder")
def test_the_page_on_own_data_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLISTEN_GNN_MAX_EPOCHS", "3")  # a reader has the time, a test has not
    bare = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = []
    for language, file, content in blocks("own-data.md"):
        if language == "sh" and file != "no-run":
            done = subprocess.run(
                ["bash", "-ec", content], env=os.environ | {"PATH": bare}, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, content + done.stderr
            said.append(done.stdout + done.stderr)
        elif file and file != "no-run":
            Path(file).parent.mkdir(exist_ok=True)
            Path(file).write_text(content)
    assert "item_id is not in the catalogue" in said[0]
    assert said[1].count('"user_id": "hal"') == 3
    assert "signals.weak" in said[2]
    assert "next on" in said[3]
    assert '"item_id": "fjord"' not in said[3]
    assert "eva" in said[4]


def imported_by(code: str) -> set[str]:
    """Packages that a fresh Python has imported after `code`."""
    call = [sys.executable, "-c", f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"]
    return set(subprocess.run(call, capture_output=True, text=True, check=True).stdout.split())


def test_importing_colisten_is_cheap() -> None:
    assert not imported_by("import colisten") & {"numpy", "pydantic", "click", "rich", "polars", "torch"}
    assert not imported_by("import colisten; colisten.recommender") & {"polars", "torch", "duckdb", "neo4j"}


def test_the_commands_page_is_what_the_commands_say() -> None:
    # In a process of its own: a command keeps the help option that it was first asked for with.
    said = "from scripts.cli_docs import page; print(page(), end='')"
    done = subprocess.run([sys.executable, "-c", said], cwd=DOCS.parent, capture_output=True, text=True, check=True)
    assert (DOCS / "cli.md").read_text() == done.stdout, "`make docs` writes docs/cli.md anew"


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} points to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_fit_a_screen(page: Path) -> None:
    """Prose and code; a row of a table is one line however long it is."""
    lines = enumerate(page.read_text().splitlines(), 1)
    assert [number for number, line in lines if len(line) > LONGEST_LINE and not line.startswith("|")] == []
