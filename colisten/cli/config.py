"""`colisten config`: every setting, its value, where it comes from and what it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from pydantic import BaseModel, SecretStr

from colisten.cli.options import formatted, set_option
from colisten.cli.output import show
from colisten.layers import Layer
from colisten.settings import Settings


@click.command()
@click.option("--workdir", "-w", type=click.Path(path_type=Path), default=None, help="Show what holds for this folder.")
@set_option
@formatted
def config(workdir: Path | None, overrides: tuple[str, ...], style: str | None) -> None:
    """List every setting with its value, where that comes from, the value in the recipe, and what it means.

    A value comes from `--set`, else the environment (COLISTEN_GNN_DIM is gnn.dim), else colisten.toml in the current
    folder, else the last run of the working folder, else the recipe, else the default.

    \b
    colisten config --workdir W --table
    """
    kept = workdir / "settings.json" if workdir else None
    settings, layers = Settings.load(overrides, kept=kept), Settings.layers(overrides, kept=kept)
    show(_rows(settings, Settings.usual(settings.recipe), layers, ""), style)


def _rows(section: BaseModel, usual: BaseModel, layers: Sequence[Layer], prefix: str) -> Iterator[dict[str, object]]:
    for name, field in type(section).model_fields.items():
        key, value = prefix + name, getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _rows(value, getattr(usual, name), layers, f"{key}.")
        else:
            source = next((layer.source for layer in layers if layer.has(key)), "default")
            yield {
                "key": key, "value": _plain(section, name), "from": source, "default": _plain(usual, name),
                "means": field.description,
            }  # fmt: skip


def _plain(section: BaseModel, name: str) -> object:
    """The value as it would be written, of a secret only whether it is set."""
    return "set" if isinstance(getattr(section, name), SecretStr) else section.model_dump(mode="json")[name]
