"""Layers of settings, one per source: each a tree of sections as written, not validated yet."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colisten.errors import SettingsError
from colisten.letters import decoded
from colisten.recipes import PRESETS

_PREFIX = "COLISTEN_"
_NO_SETTINGS = {"COLISTEN_WORKDIR", "COLISTEN_CACHE"}
"""Variables that say where things lie."""


@dataclass(frozen=True)
class Layer:
    """The values of one source."""

    source: str
    """In the words of `colisten config`."""
    values: Mapping[str, Any]

    def has(self, key: str) -> bool:
        """Whether it sets `section.name`."""
        section, _, name = key.rpartition(".")
        branch = self.values.get(section, {}) if section else self.values
        return isinstance(branch, Mapping) and name in branch


def read_layers(overrides: Iterable[str], kept: Path | None, sections: Collection[str]) -> list[Layer]:
    """All sources, strongest first.

    Args:
        overrides: `key=value` words.
        kept: settings.json of a working folder.
        sections: names of the sections; a variable's first word is one of them, or there is none.

    Raises:
        SettingsError: a word or a file that cannot be read.
    """
    layers = [
        Layer("--set", _given(overrides)),
        Layer("environment", _environment(sections)),
        Layer("colisten.toml", _toml(Path("colisten.toml"))),
        Layer("folder", _kept(kept) if kept and kept.exists() else {}),
    ]
    recipe = merged(layers).get("recipe", "default")
    return [*layers, Layer(f"recipe {recipe}", PRESETS.get(recipe, {}))]


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """One tree: of each key, the value of the strongest layer that sets it."""
    tree: dict[str, Any] = {}
    for layer in reversed(layers):
        for key, value in layer.values.items():
            both = isinstance(value, Mapping) and isinstance(tree.get(key), Mapping)
            tree[key] = {**tree[key], **value} if both else value
    return tree


def _given(overrides: Iterable[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for word in overrides:
        key, equals, value = word.partition("=")
        if not equals:
            raise SettingsError(f"--set takes key=value, not {word!r}: write for example --set gnn.dim=64.")
        _put(tree, key.strip(), value)
    return tree


def _environment(sections: Collection[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for variable, value in os.environ.items():
        if variable.startswith(_PREFIX) and variable not in _NO_SETTINGS:
            value = decoded(value, f"The variable {variable}:")
            section, _, name = variable.removeprefix(_PREFIX).lower().partition("_")
            _put(tree, f"{section}.{name}" if name and section in sections else f"{section}_{name}".rstrip("_"), value)
    return tree


def _put(tree: dict[str, Any], key: str, value: str) -> None:
    section, dot, name = key.partition(".")
    branch, name = (tree.setdefault(section, {}), name) if dot else (tree, key)
    if not isinstance(branch, dict):
        raise SettingsError(f"{section!r} is set both as a value and as a section.")
    branch[name] = value


def _kept(path: Path) -> dict[str, Any]:
    """What `Workdir.keep_settings` has written, or its copy where that is damaged."""
    for copy in (path, path.parent / "stages" / path.name):
        with suppress(OSError, ValueError):
            found = json.loads(copy.read_text())
            if isinstance(found, dict):
                return found
    raise SettingsError(f"{path} is damaged: remove it, and give `colisten run` the settings by --set again.")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error}): mend it or move it away.") from None
