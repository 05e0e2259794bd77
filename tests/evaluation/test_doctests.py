"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import colisten.evaluation

MODULES = [found.name for found in pkgutil.walk_packages(colisten.evaluation.__path__, "colisten.evaluation.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_metric_has_an_example() -> None:
    for module in ("metrics", "beyond_accuracy", "intervals"):
        loaded = importlib.import_module(f"colisten.evaluation.{module}")
        tested = {test.name.rsplit(".", 1)[1] for test in doctest.DocTestFinder().find(loaded) if test.examples}
        assert len(tested) >= 3, module
