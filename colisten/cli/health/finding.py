"""The result of a health check, and how an error inside a check becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from colisten.errors import ColistenError


@dataclass(frozen=True)
class Finding:
    """One result; `bad`: something will fail by it, `warn`: something is worse than it could be."""

    state: Literal["ok", "warn", "bad"]
    about: str
    found: str
    todo: str = ""
    """What to do about it; empty where the state is ok."""


Check = Callable[[], Iterable[Finding]]


def examined(about: str, check: Check) -> Iterator[Finding]:
    """The findings of a check; an error that ends it is one more."""
    try:
        yield from check()
    except ColistenError as error:
        yield Finding("bad", about, "cannot be used", str(error))
    except Exception as error:  # the other checks still run
        yield Finding(
            "bad",
            about,
            f"{type(error).__name__}: {error}",
            "run `colisten run` again; if that does not help, report this",
        )
