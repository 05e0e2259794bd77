"""Rows on stdout: a table for people, JSON lines or CSV for programs; sentences on stderr."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping

import click

from colisten.letters import json_line, printable


def for_people(style: str | None) -> bool:
    """Will `show` print a table?"""
    return style == "table" or (style is None and sys.stdout.isatty())


def show(rows: Iterable[Mapping[str, object]], style: str | None) -> None:
    """Print `rows` in a style of json, csv or table; None means a table on a terminal, JSON lines elsewhere."""
    style = style or ("table" if for_people(style) else "json")
    if style == "json":
        for row in rows:
            print(json_line(row))
        return
    if not (listed := list(rows)):
        return
    columns = list(dict.fromkeys(name for row in listed for name in row))
    if style == "csv":
        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows(listed)
    else:
        _show_table(listed, columns)


def say(sentence: str) -> None:
    """Print one line on stderr."""
    click.echo(printable(sentence), err=True)


def _show_table(rows: list[Mapping[str, object]], columns: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    numeric = {name for name in columns if all(isinstance(row.get(name, 0), int | float) for row in rows)}
    table = Table(box=None, header_style="bold")
    for name in columns:
        table.add_column(Text(printable(name)), justify="right" if name in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(_cell(row.get(name)))) for name in columns))
    Console().print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
