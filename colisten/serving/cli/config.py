"""`colisten config`: every setting, its value and what it means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import BaseModel, SecretStr

from colisten.serving.cli.options import formatted, set_option
from colisten.serving.cli.output import show
from colisten.settings import Settings


@click.command()
@click.option("--workdir", "-w", type=click.Path(path_type=Path), default=None, help="Show what holds for this folder.")
@set_option
@formatted
def config(workdir: Path | None, overrides: tuple[str, ...], style: str | None) -> None:
    """List every setting with its value, what the recipe has, and what it means.

    \b
    colisten config --workdir W --table
    """
    settings = Settings.load(overrides, kept=workdir / "settings.json" if workdir else None)
    show(_rows(settings, Settings.usual(settings.recipe), ""), style)


def _rows(section: BaseModel, default: BaseModel, prefix: str) -> Iterator[dict[str, object]]:
    for name, field in Settings.model_fields.items() if not prefix else type(section).model_fields.items():
        value, usual = getattr(section, name), getattr(default, name)
        if isinstance(value, BaseModel):
            yield from _rows(value, usual, f"{prefix}{name}.")
        else:
            yield {"key": prefix + name, "value": _plain(value), "default": _plain(usual), "means": field.description}


def _plain(value: object) -> object:
    return "set" if isinstance(value, SecretStr) else value
