"""One line of a checkup, and how a check that fails on its own becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from colisten.errors import ColistenError


@dataclass(frozen=True)
class Finding:
    """What was found; `bad` is what something will fail by, `warn` what makes it worse than it could be."""

    state: Literal["ok", "warn", "bad"]
    about: str
    found: str
    todo: str = ""
    """What to do about it; empty where all is well."""


Check = Callable[[], Iterable[Finding]]


def examined(about: str, check: Check) -> Iterator[Finding]:
    """The findings of a check; if it cannot be ended, that is one."""
    try:
        yield from check()
    except ColistenError as error:
        yield Finding("bad", about, "cannot be used", str(error))
    except Exception as error:  # a checkup goes on, whatever it meets
        yield Finding(
            "bad",
            about,
            f"{type(error).__name__}: {error}",
            "run `colisten run` again; if that does not help, report this",
        )
