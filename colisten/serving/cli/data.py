"""`colisten data`: check, import, synthesise and split listening data."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.serving.cli.options import formatted, opened, set_option, workdir_option
from colisten.serving.cli.output import show


@click.group()
def data() -> None:
    """Check, import, synthesise and split listening data."""
