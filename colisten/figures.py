"""Pictures and pages that need nothing but themselves: no script, no address; matplotlib is the extra `plots`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.errors import SettingsError
from colisten.extras import require
from colisten.letters import printable
from colisten.workdir import replacing_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#1b6ca8", "#d9822b", "#4c956c", "#8e5aa8", "#b3261e", "#6b705c", "#2a9d8f", "#b5838d")
"""One for each kind of thing, from the front."""
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
figure { margin: 2rem 0; } figcaption { color: #666; } svg { height: auto; max-width: 100%; }
table { border-collapse: collapse; } th, td { padding: .15rem .8rem .15rem 0; text-align: left; }
tr + tr { border-top: 1px solid #ddd; } .number { text-align: right; font-variant-numeric: tabular-nums; }
"""


def check_picture(path: Path, endings: Iterable[str]) -> None:
    """Make sure, before any work, that a picture of this kind can be drawn.

    Raises:
        SettingsError: the ending is not one of `endings`, or matplotlib is not installed.
    """
    if path.suffix not in endings:
        raise SettingsError(f"{path} ends in none of {', '.join(endings)}: the ending chooses the format.")
    require("plots", "matplotlib")


def html_page(title: str, parts: Iterable[str]) -> str:
    """A whole page around `parts`, which are HTML already."""
    head = f'<meta charset="utf-8"><title>{escape(printable(title))}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def html_figure(figure: Figure, caption: str) -> str:
    """The figure as SVG; letters stay letters, so that any script shows and words can be searched for."""
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(text, format="svg")
    svg = text.getvalue()
    return f"<figure>{svg[svg.index('<svg') :]}<figcaption>{escape(caption)}</figcaption></figure>"


def html_table(columns: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """Numbers stand right, fractions with three places."""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if not isinstance(value, int | float):
        return f"<td>{escape('' if value is None else printable(value))}</td>"
    return f'<td class="number">{value:,.3f}</td>' if isinstance(value, float) else f'<td class="number">{value:,}</td>'


def write_page(path: Path, title: str, parts: Iterable[str]) -> None:
    """Put the page at `path` in one step."""
    with replacing_file(path) as draft:
        draft.write_text(html_page(title, parts))
