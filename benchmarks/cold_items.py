"""Items without a listener, placed by what they are related to: `python benchmarks/cold_items.py [SEED]`.

The demo's world, of which a tenth of the items loses all listening (seed 7). The graph model is trained on what is
left, by defaults: with no relation but co-listening, with series and creators, and with near texts as well. Recall@20:
of an item's 20 strongest co-listened items in the whole world, how many are among the 20 items whose embeddings are
nearest to its own; over items of which a series or creator is known beside others of theirs, and over all. Beside them
the texts alone, and an oracle that knows how likely every user is to choose each item: the 20 items with the largest
expected cosine, since who came to choose what is chance.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import softmax

from colisten.arrays import Bools, Floats, Int32s, Int64s
from colisten.gnn.embedding import embed_items
from colisten.gnn.in_memory import graph_in_memory
from colisten.gnn.node_types import group_types
from colisten.gnn.training import train_gnn
from colisten.graph_store.relations.edges import relation_edges
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.listening.synth.truth import true_preferences
from colisten.listening.synth.world import make_world
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.text.encoding import encode_items

QUIET, NEAR, SHARE = Progress(quiet=True), 20, 0.1
RELATIONS = ((), ("same_series", "same_creator"), ("same_series", "same_creator", "similar_text"))


def stripped(world: Path, out: Path) -> list[str]:
    """A copy of the world without the interactions of a tenth of the items; returns those."""
    out.mkdir()
    items = pl.read_parquet(world / "items.parquet")
    chosen = items["item_id"].sort().sample(fraction=SHARE, seed=7).to_list()
    items.write_parquet(out / "items.parquet")
    (out / "users.parquet").write_bytes((world / "users.parquet").read_bytes())
    interactions = pl.read_parquet(world / "interactions.parquet")
    interactions.filter(~pl.col("item_id").is_in(chosen)).write_parquet(out / "interactions.parquet")
    return chosen


def strongest(data: ListeningData, settings: Settings, folder: Path, items: Int64s) -> list[Int32s]:
    """The co-listened items of each of `items`, strongest first, at most `NEAR`."""
    types = group_types(data, settings.target, settings.gnn.node_types)
    with graph_in_memory(data, types, settings.graph, folder, QUIET) as graph:
        rows = graph.neighbours(items)
    found = (slice(*ends) for ends in zip(rows.indptr[:-1], rows.indptr[1:], strict=True))
    return [rows.items[row][np.argsort(-rows.weights[row], kind="stable")[:NEAR]] for row in found]


def embedded(data: ListeningData, text: Floats, settings: Settings, folder: Path) -> tuple[Floats, Bools]:
    """Embeddings, and which items have an edge by series or creator."""
    others = relation_edges(data, text, settings.graph.relations, QUIET)
    related = np.zeros(len(data.items), bool)
    known = others.filter(pl.col("relation") != "similar_text")
    related[known["src"].to_numpy()] = related[known["dst"].to_numpy()] = True
    types = group_types(data, settings.target, settings.gnn.node_types)
    with graph_in_memory(data, types, settings.graph, folder, QUIET, others) as graph:
        train_gnn(graph, text, settings.gnn, seed=settings.seed, folder=folder / "gnn", progress=QUIET)
        return embed_items(graph, text, folder / "gnn", QUIET), related


def recall(vectors: Floats, items: Int64s, truth: Sequence[Int32s]) -> Floats:
    """Of each item that has true neighbours, how many of them are nearest."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)
    return hits(unit[items] @ unit.T, items, truth)


def hits(scores: Floats, items: Int64s, truth: Sequence[Int32s]) -> Floats:
    """The same of scores [items, all]."""
    scores[:, items] = -np.inf  # others that lost their listening are nobody's neighbours
    near = np.argsort(-scores, axis=1, kind="stable")[:, :NEAR]
    return np.array([np.isin(row, found).sum() / len(row) for row, found in zip(truth, near, strict=True)])


def expected_cosines(world: Path, data: ListeningData, items: Int64s) -> Floats:
    """[items, all] cosine of who is expected to stream both, by the true preferences."""
    known = true_preferences(world)
    place = {name: at for at, name in enumerate(known.item_ids)}
    order = np.array([place[name] for name in data.items["item_id"]])
    scores, kinds = known.scores(np.arange(len(known.user_ids)))[:, order], data.items["item_type"].to_numpy()
    choices = data.listeners.collect()["listeners"].sum() / len(scores) / len(known.item_types)
    heard = np.zeros_like(scores)
    for kind in np.unique(kinds):
        chosen = softmax(scores[:, kinds == kind], axis=1)
        heard[:, kinds == kind] = 1 - (1 - chosen) ** np.float32(choices)
    each = heard.sum(axis=0)
    found: Floats = (heard[:, items].T @ heard / np.sqrt(np.outer(each[items], each))).astype(np.float32)
    found[np.arange(len(items)), items] = 0
    return found


def figures(found: Floats, known: Bools) -> dict[str, float]:
    """Mean recall of all items, and of those of which a series or creator is known."""
    means = {"recall@20": found.mean(), "where a series or creator is known": found[known].mean()}
    return {name: round(float(mean), 3) for name, mean in means.items()} | {
        "items": len(found),
        "known": int(known.sum()),
    }


def main(seed: int = 7) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_world(folder / "world")
        chosen = stripped(folder / "world", folder / "less")
        whole = import_data(str(folder / "world"), folder / "whole", Settings.load([]), QUIET)
        data = import_data(str(folder / "less"), folder / "imported", Settings.load([]), QUIET)
        assert whole.items["item_id"].equals(data.items["item_id"])
        items = (
            data.items.with_row_index("at").filter(pl.col("item_id").is_in(chosen))["at"].to_numpy().astype(np.int64)
        )
        text = encode_items(data, Settings.load([]).text, folder, QUIET)
        truth = [np.setdiff1d(row, items) for row in strongest(whole, Settings.load([]), folder / "truth", items)]
        has_some = np.array([len(row) > 0 for row in truth])
        items, truth = items[has_some], [row for row in truth if len(row)]
        known = np.zeros(len(data.items), bool)
        for names in reversed(RELATIONS):
            settings = Settings.load([f"graph.relations={','.join(names)}", f"seed={seed}"])
            vectors, related = embedded(data, text, settings, folder / ("-".join(names) or "none"))
            known |= related
            found = recall(vectors, items, truth)
            print(json.dumps({"relations": names} | figures(found, known[items])), flush=True)
        by_truth = hits(expected_cosines(folder / "world", whole, items), items, truth)
        print(json.dumps({"by": "true preferences"} | figures(by_truth, known[items])))
        print(json.dumps({"by": "text alone"} | figures(recall(text, items, truth), known[items])))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
