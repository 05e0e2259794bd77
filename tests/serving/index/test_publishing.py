from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from colisten.errors import IndexStoreError
from colisten.progress import Progress
from colisten.serving import publishing
from colisten.serving.index.collection import EVERYTHING, Collection, Index, new_name
from colisten.serving.index.layout import Layout
from colisten.serving.probe import probe
from colisten.serving.published_items import PublishedItems
from colisten.serving.publishing import list_collections, publish_items, rollback
from tests.serving.worlds import QUIET, random_items


def publish(index: Index, what: PublishedItems, keep: int = 2) -> str:
    name = new_name(index.alias, index.ready())
    publish_items(index, name, what, QUIET, exact_up_to=10_000, keep=keep)
    return name


@pytest.mark.slow
def test_what_is_published_is_live_and_whole(index: Index) -> None:
    assert index.live() is None
    with pytest.raises(IndexStoreError, match="published yet"):
        index.open()
    small = random_items(200)
    name = publish(index, small)
    assert (index.live(), index.ready()) == (name, [name])
    collection = index.open()
    assert collection.count() == len(small)
    item = int(small.items[5])
    assert collection.payloads([item, 10**6]) == {item: small.payloads(5, 6)[0]}
    stored = collection.vectors("towers", [item, 10**6])
    assert list(stored) == [item]
    np.testing.assert_array_equal(stored[item], small.vectors["towers"][5])


@pytest.mark.slow
def test_old_ones_go_beyond_keep_and_rollback_goes_back(index: Index) -> None:
    first, second, third = (publish(index, random_items(100, seed=seed), keep=2) for seed in range(3))
    assert index.ready() == [second, third]
    assert [(each.name, each.live) for each in list_collections(index)] == [(second, False), (third, True)]
    assert rollback(index) == second == index.live()
    with pytest.raises(IndexStoreError, match="no earlier index"):
        rollback(index)
    with pytest.raises(IndexStoreError, match=first):
        rollback(index, first)
    assert rollback(index, third) == third == index.live()
    rollback(index)
    fourth = publish(index, random_items(100, seed=4), keep=2)
    assert index.ready() == [second, fourth], "what was rolled back from is not what to go back to"


@pytest.mark.slow
def test_a_failed_probe_leaves_the_old_one_live(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    name = publish(index, random_items(150))
    honest = random_items(150, seed=1)

    def swapped(collection: Collection, expected: PublishedItems, layout: Layout, progress: Progress) -> int | None:
        rows = np.roll(expected.vectors["towers"], 1, axis=0)  # each item under another's vector
        wrong = replace(expected, vectors=dict(expected.vectors) | {"towers": rows})
        return probe(collection, wrong, layout, progress)

    monkeypatch.setattr(publishing, "probe", swapped)
    with pytest.raises(IndexStoreError, match="the one before stays in use"):
        publish(index, honest)
    assert (index.live(), index.ready()) == (name, [name])
    assert index.open().count() == len(random_items(150))


def test_missing_points_fail_the_probe(index: Index) -> None:
    what = random_items(120)
    with index.draft(new_name(index.alias, []), layout_of(what)) as draft:
        fewer = slice(0, len(what) - 1)
        draft.upload(
            what.items[fewer],
            {name: rows[fewer].astype(np.float32) for name, rows in what.vectors.items()},
            {name: matrix.rows(fewer) for name, matrix in what.sparse.items()},
            what.payloads(0, len(what) - 1),
        )
        with pytest.raises(IndexStoreError, match="116 of 117 items"):
            probe(draft.build(), what, layout_of(what), QUIET)
    assert index.ready() == []


def test_an_unfinished_draft_is_never_seen(index: Index) -> None:
    what = random_items(50)
    with index.draft(new_name(index.alias, []), layout_of(what)):
        assert index.ready() == []
    with pytest.raises(RuntimeError), index.draft(new_name(index.alias, []), layout_of(what)):
        raise RuntimeError
    assert index.ready() == []


@pytest.mark.slow
def test_identical_vectors_pass_the_probe_and_tie_by_number(index: Index) -> None:
    alike = random_items(300)
    same = {name: np.ones_like(rows, np.float32) for name, rows in alike.vectors.items()}
    publish(index, replace(alike, vectors=same))
    collection = index.open()
    hits = collection.search("towers", same["towers"][:2], 10, EVERYTHING, collection.ef)
    for row in hits.items.tolist():
        assert row == sorted(set(row))
    np.testing.assert_array_equal(hits.items[0], hits.items[1])


def layout_of(what: PublishedItems) -> Layout:
    return Layout({name: rows.shape[1] for name, rows in what.vectors.items()}, tuple(what.sparse), hnsw=None)
