"""Running some stages by name, whether or not their inputs changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colisten.cli.options import opened


def run_only(
    names: Sequence[str],
    workdir: Path,
    overrides: Sequence[str],
    source: str = "",
    *,
    force: Sequence[str] = (),
    replace: bool = False,
) -> None:
    """Run the stages `names` in the order of the pipeline; `force`, else the last of them, even if up to date.

    Raises:
        WorkdirError: a stage that they are made from has not run yet.
    """
    from colisten.pipeline.stage import Context, run_stages
    from colisten.pipeline.stages import STAGES
    from colisten.progress import Progress

    folder, settings = opened(workdir, overrides, create=bool(source))
    chosen = [stage for stage in STAGES if stage.name in names]
    with Progress() as progress:
        run_stages(chosen, Context(folder, settings, progress, source, replace), force=frozenset(force or names[-1:]))
