"""The text of an item that is encoded: for the whole catalogue by a run, for a new item while answers are given."""

from __future__ import annotations

from collections.abc import Sequence


def item_text(title: str | None, description: str | None, genres: Sequence[str] | None) -> str:
    r"""Title, description and genres in one line each; empty where there is none.

    >>> item_text("The Long Winter", " ", ["crime", "ice"])
    'The Long Winter\ncrime, ice'
    """
    parts = (title or "", description or "", ", ".join(genres or ()))
    return "\n".join(part.strip() for part in parts if part.strip())
