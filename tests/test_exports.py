"""What `import colisten` gives: all that users need, typed, each name imported when it is first used."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import colisten

ROOT = Path(__file__).parents[1]
PUBLIC = ("colisten.api", "colisten.errors", "colisten.graph_store.stream.sampler", "colisten.listening.split")
"""Modules of which everything public is for users."""
_NOT_FOR_USERS = {"SplitSummary"}


def _type_checked() -> dict[str, str]:
    """Name → module, as a type checker sees it."""
    tree = ast.parse(Path(colisten.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_every_name_is_what_a_type_checker_takes_it_for() -> None:
    expected = {name: getattr(importlib.import_module(home), name) for name, home in _type_checked().items()}
    assert sorted(expected) == sorted(colisten.__all__) == dir(colisten)
    assert {name: getattr(colisten, name) for name in colisten.__all__} == expected


@pytest.mark.parametrize("name", PUBLIC)
def test_what_a_public_module_defines_is_exported(name: str) -> None:
    module = importlib.import_module(name)
    defined = {
        key for key, value in vars(module).items()
        if not key.startswith("_") and inspect.getmodule(value) is module and callable(value)
    }  # fmt: skip
    assert defined - _NOT_FOR_USERS <= set(colisten.__all__)


@pytest.mark.parametrize("page", ["README.md", "docs/python.md", "docs/loader.md"])
def test_the_pages_need_nothing_else(page: str) -> None:
    deeper = re.findall(r"^(?:from|import) colisten\.\S+.*", (ROOT / page).read_text(), re.MULTILINE)
    assert not deeper


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'colisten' has no attribute 'nothing'"):
        colisten.nothing  # noqa: B018


def test_importing_it_imports_none_of_its_rooms() -> None:
    call = "import sys, colisten; print([name for name in sys.modules if name.startswith('colisten.')])"
    found = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
