"""The page, in a real browser, against a real server."""

from __future__ import annotations

import html
from pathlib import Path

import httpx

from tests.browser import Browser, share_of


def test_the_page_shows_recommendations_reasons_and_the_neighbourhood(
    address: str, browser: Browser, tmp_path: Path
) -> None:
    url = f"{address}/?user=u5&k=6"
    seen = html.unescape(browser.text(url))
    answer = httpx.get(f"{address}/recommend?user=u5&k=6&why=true").json()["items"]
    for item in answer:
        assert item["title"] in seen
        assert item["why"]["words"] in seen
    assert seen.count("<summary>paths</summary>") == sum(bool(item["why"]["paths"]) for item in answer)
    near = httpx.get(f"{address}/neighbourhood", params={"item": answer[0]["item_id"]}).json()
    assert f"Neighbourhood of {answer[0]['title']}" in seen
    assert seen.count("<line ") == len(near["neighbours"]) > 0
    picture = browser.picture(url, tmp_path / "seen.png")
    assert share_of(picture, "#1b6ca8") > 0.0005


def test_an_anonymous_user_is_described_by_likes(address: str, browser: Browser) -> None:
    seen = html.unescape(browser.text(f"{address}/?likes=Title 2&likes=Title 9&country=US&type=podcast"))
    call = {"likes": ["Title 2", "Title 9"], "country": "US", "type": "podcast"}
    answer = httpx.get(f"{address}/recommend", params=call).json()["items"]
    assert answer
    assert [title for title in (item["title"] for item in answer) if f">{title}</button>" not in seen] == []
    assert "Title 9 ×" in seen


def test_errors_are_shown_on_the_page(address: str, browser: Browser) -> None:
    seen = html.unescape(browser.text(f"{address}/?user=u5&type=audiobook&k=500"))
    assert 'id="items"></ol>' in seen
    seen = html.unescape(browser.text(f"{address}/?user=u5&country=US"))
    assert "not both" in seen
