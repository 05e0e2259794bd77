"""Write docs/cli.md from what the commands say of themselves (`make docs`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from colisten.cli.main import cli

PAGE = Path(__file__).parents[1] / "docs/cli.md"
_WIDTH = 110
_HEAD = """# Commands

What `colisten COMMAND --help` prints, all in one place; `make docs` writes this page, and a test compares them.
Settings, which many commands take by `--set`, are listed by `colisten config`.
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_sections(cli, _context(cli, "colisten")))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """This command, then those under it."""
    heading = "#" * min(4, 2 + context.command_path.count(" "))
    yield f"\n{heading} {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if below := command.get_command(context, name):
                yield from _sections(below, _context(below, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    return click.Context(command, parent, name, **{**command.context_settings, "terminal_width": _WIDTH})


if __name__ == "__main__":
    PAGE.write_text(page())
