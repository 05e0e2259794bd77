"""`colisten run`: the whole pipeline on your data."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from colisten.cli.options import formatted, opened, set_option, workdir_option
from colisten.settings import Settings
from colisten.workdir import Workdir


@click.command()
@click.option(
    "--data", "source", metavar="DIR",
    help="Folder or object-store prefix of listening data; without it, what was given before and events since.",
)  # fmt: skip
@workdir_option
@set_option
@click.option("--plan", is_flag=True, help="Run nothing: estimate time, memory and disk of each stage for this data.")
@formatted
def run(source: str | None, workdir: Path, overrides: tuple[str, ...], plan: bool, style: str | None) -> None:
    """Read listening data, build the graph, train, publish.

    Stages whose inputs did not change are skipped; a run that was stopped goes on where it was. Settings given once
    are kept with the working folder. Events that were posted (`colisten events`) are taken in.

    \b
    colisten run --data listening/ --workdir W --set target=audiobook --set signals.weak=follow,preview
    colisten run --workdir W
    colisten run --data listening/ --workdir W --plan
    """
    if style and not plan:
        raise click.UsageError(f"--{style} goes with --plan.")
    if plan:
        from colisten.cli.plan import show_plan

        show_plan(Workdir(workdir), Settings.load(overrides, kept=Workdir(workdir).settings), source, style)
        return
    from colisten.pipeline.stage import Context
    from colisten.pipeline.stages import run_all
    from colisten.progress import Progress

    folder, settings = opened(workdir, overrides, create=source is not None)
    with Progress() as progress:
        ran = run_all(Context(folder, settings, progress, source or ""))
        ready = f"Ready: colisten recommend USER -w {quote(str(workdir))}"
        progress.say(ready if ran else "Nothing to do: all is up to date.")
