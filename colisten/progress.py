"""Progress of long work: bars on a terminal, quiet lines elsewhere, always on stderr.

>>> with Progress(quiet=True) as progress:
...     with progress.task("reading", total=3) as task:
...         task.advance(3)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from colisten.letters import printable

_SECONDS_BETWEEN_LINES = 10.0


class Task:
    """One running task with a bar."""

    def __init__(self, progress: Progress, title: str, total: float | None) -> None:
        self.title = title
        self.total = total
        self._progress = progress
        self._done = 0.0
        self._note = ""
        self._last_line = time.monotonic()
        self._bar: TaskID | None = progress._add(title, total)

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count `amount` more as done; `note` is shown behind the title (a loss, a rate)."""
        self._done += amount
        self._note = note or self._note
        if self._bar is not None:
            self._progress._move(self._bar, amount, f"{self.title} {self._note}".rstrip())
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            share = f"{self._done / self.total:.0%}" if self.total else f"{self._done:,.0f}"
            self._progress.say(f"  {self.title}: {share} {self._note}".rstrip())


class Progress:
    """Where long work reports to. Enter it once per command; rooms take it as an argument."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, soft_wrap=True, highlight=False)
        self._bars: Bars | None = None
        if self._console.is_terminal and not quiet:
            self._bars = Bars(
                TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                console=self._console, transient=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Print one line."""
        self._console.print(Text(printable(line)))

    @contextmanager
    def task(self, title: str, total: float | None = None) -> Iterator[Task]:
        """A piece of work of `total` units (None: unknown), shown while the block runs."""
        task = Task(self, title, total)
        try:
            yield task
        finally:
            if self._bars and task._bar is not None:
                self._bars.remove_task(task._bar)

    def _add(self, title: str, total: float | None) -> TaskID | None:
        return self._bars.add_task(printable(title), total=total) if self._bars else None

    def _move(self, bar: TaskID, amount: float, text: str) -> None:
        assert self._bars is not None
        self._bars.update(bar, advance=amount, description=printable(text))
