"""`colisten items`: withdraw items from all answers, and bring them back."""

from __future__ import annotations

from pathlib import Path

import click

from colisten.cli.options import opened, workdir_option
from colisten.cli.output import say


@click.group()
def items() -> None:
    """Withdraw items from all answers at once, and bring them back."""


@items.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@workdir_option
def withdraw(ids: tuple[str, ...], workdir: Path) -> None:
    """Show these items to nobody any more, from the next answer of every process on.

    \b
    colisten items withdraw a17 p3 --workdir W
    """
    from colisten.serving.profiles import Profiles
    from colisten.serving.rules.rulebook import Rulebook
    from colisten.serving.rules.store import Rule, RuleStore

    folder, _ = opened(workdir)
    with Profiles.open(folder.profiles) as profiles:
        changed = Rulebook(RuleStore(folder.rules), profiles).add([Rule("withdraw", "item", name) for name in ids])
    say(f"Withdrawn: {changed:,} of {len(ids):,} items; the others were before.")


@items.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@workdir_option
def restore(ids: tuple[str, ...], workdir: Path) -> None:
    """Show withdrawn items again, from the next answer on.

    \b
    colisten items restore a17 --workdir W
    """
    from colisten.serving.rules.store import RuleKey, RuleStore

    changed = RuleStore(opened(workdir)[0].rules).remove([RuleKey("withdraw", "item", name) for name in ids])
    say(f"Back: {changed:,} of {len(ids):,} items; the others were not withdrawn.")
