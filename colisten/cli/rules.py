"""`colisten rules`: allow and deny lists, for all or for one user, and boosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from colisten.cli.options import Number, formatted, opened, workdir_option
from colisten.cli.output import say, show

if TYPE_CHECKING:
    from colisten.serving.rules.store import Field


def _named(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command what names rules: KIND, FIELD, VALUE..., the working folder and `--user`."""
    for given in (
        click.option("--user", default="", metavar="USER", help="For this user only; without it for all."),
        workdir_option,
        click.argument("values", nargs=-1, required=True, metavar="VALUE..."),
        click.argument("field", type=click.Choice(["item", "creator", "genre"])),
        click.argument("kind", type=click.Choice(["allow", "deny", "boost"])),
    ):
        command = given(command)
    return command


@click.group()
def rules() -> None:
    """What may be shown to whom, and what is raised: lists and boosts, from the next answer of every process on.

    `deny`: not shown. `allow`: where there is such a rule, only what one of them names is shown; the list of a user
    narrows that of all. `boost`: so much is added to the scores that answers show. A denied item is never shown,
    whatever allows or boosts it. When and where items may be shown is told by the table `availability`.
    """


@rules.command()
@_named
@click.option("--by", "amount", type=Number(0, 1000, min_open=True), help="What a boost adds to the score.")
def add(
    kind: Literal["allow", "deny", "boost"], field: Field, values: tuple[str, ...], workdir: Path, user: str,
    amount: float | None,
) -> None:  # fmt: skip
    """Set a rule for items (by id), creators or genres.

    \b
    colisten rules add deny genre horror --workdir W
    colisten rules add deny creator "A. Berg" --user u17 --workdir W
    colisten rules add boost item a17 --by 0.5 --workdir W
    """
    if (kind == "boost") != (amount is not None):
        raise click.UsageError("--by says what a boost adds to the score, and goes with a boost.")
    from colisten.serving.profiles import Profiles
    from colisten.serving.rules.rulebook import Rulebook
    from colisten.serving.rules.store import Rule, RuleStore

    folder, _ = opened(workdir)
    with Profiles.open(folder.profiles) as profiles:
        wanted = [Rule(kind, field, value, user, amount or 0) for value in values]
        say(f"Set: {Rulebook(RuleStore(folder.rules), profiles).add(wanted):,} of {len(values):,} rules.")


@rules.command()
@_named
def remove(
    kind: Literal["allow", "deny", "boost"], field: Field, values: tuple[str, ...], workdir: Path, user: str
) -> None:
    """Take rules back that were set by `add`.

    \b
    colisten rules remove deny genre horror --workdir W
    """
    from colisten.serving.rules.store import RuleKey, RuleStore

    removed = RuleStore(opened(workdir)[0].rules).remove([RuleKey(kind, field, value, user) for value in values])
    say(f"Removed: {removed:,} of {len(values):,} rules.")


@rules.command(name="list")
@workdir_option
@formatted
def list_(workdir: Path, style: str | None) -> None:
    """List the rules that hold, withdrawn items among them.

    \b
    colisten rules list --workdir W --table
    """
    from colisten.serving.rules.store import RuleStore

    show([rule.as_json() for rule in RuleStore(opened(workdir)[0].rules).rules()], style)
