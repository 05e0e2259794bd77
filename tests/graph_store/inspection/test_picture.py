"""Pictures of an item, looked at by a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from colisten.errors import SettingsError
from colisten.figures import COLOURS, check_picture
from colisten.graph_store.inspection.picture import write_picture
from colisten.graph_store.inspection.show import ItemView, Neighbour, NeighbourGroup
from tests.browser import Browser, pixels, share_of

ODD = 'Tom & "Jerry" <script>alert($1^2$)</script> 日本'


def view(count: int, *kinds: str) -> ItemView:
    groups = []
    for place, kind in enumerate(kinds):
        near = tuple(
            Neighbour(f"{kind}-{i}", f"{ODD} {i}" if i else None, 1 / (i + 1), listeners=None if place else 9 - i % 9)
            for i in range(count)
        )
        groups.append(NeighbourGroup("same_series" if place else "co_listened", kind, 100 + count, near))
    return ItemView("audiobook", {"id": "a1", "title": ODD}, tuple(groups))


def test_the_page_shows_types_and_strengths_and_needs_nothing(tmp_path: Path, browser: Browser) -> None:
    page = tmp_path / "item.html"
    write_picture(view(6, "audiobook", "podcast"), page)
    text = page.read_text()
    assert re.findall(r'(?:href|src)="(?!#)[^"]+"|url\((?!#)|@import', text) == []
    assert "<script" not in text
    seen = browser.text(page.as_uri())
    assert "audiobook, co_listened: 6 of 106" in seen
    assert "podcast, same_series: 6 of 106" in seen
    assert 'Tom &amp; "Jerry" &lt;script&gt;' in seen
    picture = browser.picture(page.as_uri(), tmp_path / "seen.png")
    assert all(share_of(picture, colour) > 0.0003 for colour in COLOURS[:2])
    assert share_of(picture, COLOURS[2]) < 0.0001


@pytest.mark.parametrize("kinds", [("audiobook", "podcast"), tuple(f"kind {i}" for i in range(30)), ()])
def test_a_png_is_drawn_for_few_neighbours_and_for_many(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    write_picture(view(10, *kinds), tmp_path / "item.png")
    picture = pixels(tmp_path / "item.png")
    assert min(picture.shape[:2]) > 800
    assert share_of(picture, "#222222") > 0.0003
    assert bool(kinds) == (share_of(picture, COLOURS[0]) > 0.0001)


def test_another_ending_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.html, \.png"):
        check_picture(tmp_path / "item.gif", (".html", ".png"))
