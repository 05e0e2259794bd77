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


WAIT_FOR = """new Promise((done, failed) => {{
  const until = performance.now() + 60000;
  const look = () => ({0}) ? done(true) : performance.now() > until ? failed({0}) : setTimeout(look, 50);
  look();
}})"""
TITLES = '[...document.querySelectorAll("#items li > button:first-child")].map((button) => button.textContent)'


def test_what_is_played_changes_the_answer_and_neighbours_are_walked_along(address: str, browser: Browser) -> None:
    with browser.opened(f"{address}/?user=u9&k=6") as page:
        page(WAIT_FOR.format("document.querySelectorAll('#graph line').length"))
        before = page(TITLES)
        assert len(before) == 6
        page("document.querySelector('#items .play').click()")
        page(WAIT_FOR.format("document.getElementById('notes').textContent.startsWith('Played')"))
        after = page(TITLES)
        assert before[0] not in after
        assert len(page("[...document.querySelectorAll('#items .new')].map((row) => row.textContent)")) >= 1
        answer = httpx.get(f"{address}/recommend?user=u9&k=6").json()["items"]
        assert [item["title"] for item in answer] == after, "the event was kept"

        middle = "document.querySelector('#graph .middle').textContent"
        page(WAIT_FOR.format(f"{middle} === {after[0]!r}"))
        page("document.querySelector('#graph g').dispatchEvent(new MouseEvent('click'))")
        page(WAIT_FOR.format(f"{middle} !== {after[0]!r}"))
        assert page("document.getElementById('trail').textContent") == after[0]
        page("document.querySelector('#trail button').click()")
        page(WAIT_FOR.format(f"{middle} === {after[0]!r}"))


def test_a_phone_shows_all_types_with_diversity_and_needs_no_scrolling_sideways(address: str, browser: Browser) -> None:
    with browser.opened(f"{address}/?likes=Title 2&type=*&diversity=0.8&market=US", width=390, height=844) as page:
        page(WAIT_FOR.format("document.querySelectorAll('#graph line').length"))
        call: dict[str, str | float] = {"likes": "Title 2", "types": "*", "diversity": 0.8, "market": "US"}
        answer = httpx.get(f"{address}/recommend", params=call).json()["items"]
        assert page(TITLES) == [item["title"] for item in answer]
        assert len({item["item_type"] for item in answer}) > 1
        assert page("document.documentElement.scrollWidth") <= 390
        assert page("parseFloat(getComputedStyle(document.querySelector('.why')).fontSize)") >= 13
