"""Where the class of a custom graph model is written; found without importing it, so without torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from colisten.workdir import file_digest

BUILT_IN = "sage"
"""The value of `gnn.model` for the built-in model, `hgnn.HGNN`."""


def source_digest(model: str) -> str:
    """A hash of the file that `module:Class` is written in; empty for the built-in model or where there is no file."""
    if model == BUILT_IN:
        return ""
    try:
        spec = find_spec(model.partition(":")[0])
    except ModuleNotFoundError:
        return ""
    file = Path(spec.origin) if spec and spec.origin else None
    return file_digest(file) if file and file.is_file() else ""
