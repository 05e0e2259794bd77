from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from colisten.errors import IndexStoreError
from colisten.serving import publishing
from colisten.serving.index.collection import EVERYTHING, Index, Layout, new_name
from colisten.serving.published_items import PublishedItems
from colisten.serving.publishing import list_collections, publish_items, rollback
from colisten.settings import QdrantSettings
from tests.serving.worlds import QUIET, catalogue


def go(index: Index, what: PublishedItems, **settings: object) -> str:
    name = new_name(index.alias, index.ready())
    publish_items(index, name, what, QdrantSettings(**settings), QUIET)
    return name


def test_what_is_published_is_live_and_whole(index: Index) -> None:
    assert index.live() is None
    with pytest.raises(IndexStoreError, match="published yet"):
        index.open()
    small = catalogue(200)
    name = go(index, small)
    assert (index.live(), index.ready()) == (name, [name])
    collection = index.open()
    assert collection.count() == len(small)
    item = int(small.items[5])
    assert collection.payloads([item, 10**6]) == {item: small.payloads(5, 6)[0]}
    stored = collection.vectors("towers", [item, 10**6])
    assert list(stored) == [item]
    np.testing.assert_array_equal(stored[item], small.vectors["towers"][5])


def test_old_ones_go_beyond_keep_and_rollback_goes_back(index: Index) -> None:
    first, second, third = (go(index, catalogue(100, seed=seed), keep=2) for seed in range(3))
    assert index.ready() == [second, third]
    assert [(each.name, each.live) for each in list_collections(index)] == [(second, False), (third, True)]
    assert rollback(index) == second == index.live()
    with pytest.raises(IndexStoreError, match="no earlier index"):
        rollback(index)
    with pytest.raises(IndexStoreError, match=first):
        rollback(index, first)
    assert rollback(index, third) == third == index.live()
    rollback(index)
    fourth = go(index, catalogue(100, seed=4), keep=2)
    assert index.ready() == [second, fourth], "what was rolled back from is not what to go back to"


def test_a_failed_probe_leaves_the_old_one_live(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    name = go(index, catalogue(150))
    honest = catalogue(150, seed=1)
    real = publishing.probe

    def swapped(collection: object, expected: PublishedItems, **rest: object) -> int | None:
        rows = np.roll(expected.vectors["towers"], 1, axis=0)  # each item under another's vector
        return real(collection, replace(expected, vectors=dict(expected.vectors) | {"towers": rows}), **rest)

    monkeypatch.setattr(publishing, "probe", swapped)
    with pytest.raises(IndexStoreError, match="the one before stays in use"):
        go(index, honest)
    assert (index.live(), index.ready()) == (name, [name])
    assert index.open().count() == len(catalogue(150))


def test_missing_points_fail_the_probe(index: Index) -> None:
    what = catalogue(120)
    with index.draft(new_name(index.alias, []), layout_of(what)) as draft:
        fewer = slice(0, len(what) - 1)
        draft.upload(
            what.items[fewer],
            {name: rows[fewer] for name, rows in what.vectors.items()},
            what.payloads(0, len(what) - 1),
        )
        with pytest.raises(IndexStoreError, match="116 of 117 items"):
            publishing.probe(draft.build(), what, graph=False, progress=QUIET)
    assert index.ready() == []


def test_an_unfinished_draft_is_never_seen(index: Index) -> None:
    what = catalogue(50)
    with index.draft(new_name(index.alias, []), layout_of(what)):
        assert index.ready() == []
    with pytest.raises(RuntimeError), index.draft(new_name(index.alias, []), layout_of(what)):
        raise RuntimeError
    assert index.ready() == []


def test_identical_vectors_pass_the_probe_and_tie_by_number(index: Index) -> None:
    alike = catalogue(300)
    same = {name: np.ones_like(rows) for name, rows in alike.vectors.items()}
    go(index, replace(alike, vectors=same))
    collection = index.open()
    hits = collection.search("towers", same["towers"][:2], 10, EVERYTHING, collection.ef)
    for row in hits.items.tolist():
        assert row == sorted(set(row))
    np.testing.assert_array_equal(hits.items[0], hits.items[1])


def layout_of(what: PublishedItems) -> Layout:
    return Layout({name: rows.shape[1] for name, rows in what.vectors.items()}, graph=False)
