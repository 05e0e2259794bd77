"""At which top-K each edge is kept, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from colisten.graph_store.pruning import ranked_edges


@pytest.mark.parametrize("top_k", [1, 3, 8])
def test_an_edge_stays_if_either_end_counts_it_among_its_strongest_of_a_type(tmp_path: Path, top_k: int) -> None:
    rng = np.random.default_rng(1)
    kind = np.array(["book", "pod"])[rng.integers(0, 2, 40)]
    pairs = [(a, b, rng.random()) for a in range(40) for b in range(a + 1, 40) if rng.random() < 0.6]
    src, dst, weight = zip(*pairs, strict=True)
    about = {"src": src, "dst": dst, "src_type": kind[list(src)], "dst_type": kind[list(dst)], "listeners": 1}
    pl.DataFrame(about | {"relation": "co_listened", "weight": weight}).write_parquet(tmp_path / "edges.parquet")

    def strongest(end: int, other: int) -> bool:
        mine = [(w, a + b - end) for a, b, w in pairs if end in (a, b) and kind[a + b - end] == kind[other]]
        return other in [far for _, far in sorted(mine, reverse=True)[:top_k]]

    of_books = [(a, b) for a, b, _ in pairs if "book" in (kind[a], kind[b])]
    kept = {(a, b) for a, b in of_books if strongest(a, b) or strongest(b, a)}
    ranked = ranked_edges(tmp_path / "edges.parquet", "book")
    assert set(ranked.filter(pl.col("rank") < top_k).select("src", "dst").rows()) == kept
    assert len(kept) < len(of_books) == len(ranked)
