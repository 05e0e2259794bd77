"""`colisten tune`: hyper-parameter search over the settings, wider than a run's own model selection."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from colisten.cli.options import Number, opened, set_option, workdir_option


@click.command()
@workdir_option
@click.option("--minutes", type=Number(0, min_open=True), default=60.0, show_default=True, help="Time to take.")
@click.option("--trials", type=click.IntRange(1), help="Stop after so many trials, if that is sooner.")
@set_option
def tune(workdir: Path, minutes: float, trials: int | None, overrides: tuple[str, ...]) -> None:
    """Search for better settings of graph, graph model and towers, validated on streams hidden from training.

    Trials are kept, so a second call resumes the search. Better settings are printed as lines of colisten.toml and kept
    with the working folder: the next `colisten run` uses them. Neo4j and the index are not touched.

    \b
    colisten run --data listening/ --workdir W
    colisten tune --workdir W --minutes 120
    colisten run --data listening/ --workdir W
    """
    from colisten.evaluation.search.search import search
    from colisten.evaluation.search.space import as_toml
    from colisten.listening.data import ListeningData
    from colisten.progress import Progress
    from colisten.settings import Settings
    from colisten.text.encoding import load_text

    folder, settings = opened(workdir, overrides)
    _check(folder.listening / "summary.json", folder.features / "text.safetensors", workdir=workdir)
    with Progress() as progress:
        data, text = ListeningData(folder.listening), load_text(folder.features)
        found = search(data, text, settings, folder.tune, minutes=minutes, trials=trials, progress=progress)
        progress.say(f"Trials done: {found.trials}; NDCG {found.before:.4f} at present, {found.after:.4f} at best.")
        if not found.values:
            progress.say("The present settings stay: no trial was significantly better.")
            return
        words = [*overrides, *(f"{key}={value}" for key, value in found.values.items())]
        folder.keep_settings(Settings.load(words, kept=folder.settings).to_keep())
        progress.say(f"Better settings, kept with {workdir}; `colisten run` trains with them:")
    click.echo(as_toml(found.values))


def _check(*files: Path, workdir: Path) -> None:
    from colisten.errors import WorkdirError

    if not all(file.exists() for file in files):
        raise WorkdirError(
            f"{workdir} has no data to tune on: run `colisten run --data DIR --workdir {quote(str(workdir))}` first."
        )
