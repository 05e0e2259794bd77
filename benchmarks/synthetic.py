"""What is reached of what can be known, in worlds whose true preferences are known:
`python benchmarks/synthetic.py [OUT.json [USERS [SEEDS]]]`.

Per world: Colisten's recipe; an oracle that knows what everybody likes, and one that knows all about the items, but of
people only what they heard, which is what can be known of them; the recipe without its graph model; the
towers alone, with the graph model and without; and the recipe taught one item type alone. All that for audiobooks and
for podcasts, asked for the same hidden fortnight. Intervals: 95 %, bootstrap over the users of all worlds.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from colisten.arrays import Floats, Floats64, Int64s
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.item_knn import ItemKNN
from colisten.evaluation.baselines.popularity import Popularity
from colisten.evaluation.full_model import FullModel
from colisten.evaluation.held_out_streams import HeldOutStreams, read_held_out
from colisten.evaluation.intervals import bootstrap, interval
from colisten.evaluation.scores import DEPTH, score
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.listening.split import ByDays, split_data
from colisten.listening.synth.catalogue import DIM
from colisten.listening.synth.truth import true_preferences
from colisten.listening.synth.world import make_world
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.text.encoding import encode_items

TYPES = ("audiobook", "podcast")
QUIET = Progress(quiet=True)


@dataclass
class Oracle(Baseline):
    """Knows how likely everybody is to choose each item next."""

    world: Path

    def _fit(self, data: ListeningData) -> None:
        self._truth = true_preferences(self.world)
        users = {name: place for place, name in enumerate(self._truth.user_ids)}
        items = {name: place for place, name in enumerate(self._truth.item_ids)}
        self._users = np.array([users[name] for name in data.users["user_id"]])
        self._items = np.array([items[name] for name in data.items["item_id"]])

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        return self._truth.scores(self._users[users])[:, self._items[items]]


@dataclass
class KnownItems(Oracle):
    """Knows everything but the listeners' tastes: takes the likeliest ones behind what they did.

    Knows how tastes are spread (mean and covariance) and who speaks what, too; nobody who learns from the data alone
    knows as much.
    """

    def _fit(self, data: ListeningData) -> None:
        super()._fit(data)
        given, (users, items) = self._truth.preferences, self._events(data)
        people = given.users[self._users]
        tastes = torch.from_numpy(people[:, :, :DIM].mean(axis=1))
        spread = torch.linalg.cholesky(torch.cov(tastes.T) + 1e-3 * torch.eye(DIM))
        known = torch.from_numpy(people[:, 0, DIM:] @ given.items[:, DIM:].T + given.bias)
        heard = torch.zeros_like(known).index_put_((users, items), torch.ones(len(users)), accumulate=True)
        offset = torch.zeros(len(people), DIM, requires_grad=True)
        optimiser = torch.optim.Adam([offset], lr=0.05)
        for _ in range(300):
            scores = (tastes.mean(dim=0) + offset @ spread.T) @ torch.from_numpy(given.items[:, :DIM]).T + known
            likely = [torch.log_softmax(scores[:, kind], dim=1) * heard[:, kind] for kind in self._kinds()]
            loss = 0.5 * offset.square().sum() - sum(each.sum() for each in likely)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        self._scores = scores.detach().numpy()

    def _events(self, data: ListeningData) -> tuple[torch.Tensor, torch.Tensor]:
        """Distinct pairs: rows of `data` and places in the truth."""
        events = pl.read_parquet(data.interactions, columns=["user", "item"]).unique()
        return torch.tensor(events["user"].to_numpy()).long(), torch.from_numpy(self._items[events["item"]])

    def _kinds(self) -> Iterator[Int64s]:
        for kind in range(len(self._truth.item_types)):
            yield np.flatnonzero(self._truth.type_of == kind)

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        found: Floats = self._scores[users][:, self._items[items]]
        return found


def only(split: Path, kind: str, out: Path) -> Path:
    """The split's training data with one item type alone."""
    out.mkdir()
    for name in ("interactions", "items"):
        table = pl.read_parquet(split / "train" / f"{name}.parquet")
        table.filter(pl.col("item_type") == kind).write_parquet(out / f"{name}.parquet")
    (out / "users.parquet").write_bytes((split / "train" / "users.parquet").read_bytes())
    return out


def trained(source: Path, target: str, folder: Path, *words: str, graph: bool = True) -> Baseline:
    settings = Settings.load([f"target={target}", *words])
    listening, features = folder / "listening", folder.parents[1] / "features"  # texts are encoded once
    data = import_data(str(source), listening, settings, QUIET)
    text = encode_items(data, settings.text, features, QUIET)
    return FullModel(text, settings, folder, QUIET, graph).fit(data)


def models(world: Path, split: Path, target: str, folder: Path) -> Iterator[tuple[str, Baseline]]:
    train, towers = split / "train", "towers.parts=towers"
    yield "recipe", trained(train, target, folder / "both")
    data = ListeningData(folder / "both" / "listening")
    yield "oracle", Oracle(world).fit(data)
    yield "oracle of items", KnownItems(world).fit(data)
    yield "popularity", Popularity().fit(data)
    yield "itemknn", ItemKNN().fit(data)
    yield "recipe without graph model", trained(train, target, folder / "plain", graph=False)
    yield "towers", trained(train, target, folder / "towers", towers)
    yield "towers without graph model", trained(train, target, folder / "plain-towers", towers, graph=False)
    alone = only(split, target, folder / "one")
    yield f"recipe taught {target}s alone", trained(alone, target, folder / "alone")


def hits(world: Path, split: Path, held_out: HeldOutStreams, folder: Path) -> pl.DataFrame:
    """`segment`, `model`, `user_id`, `hr@10`."""
    found = []
    for name, model in models(world, split, held_out.item_type, folder):
        lists = model.recommend(held_out.users.to_list(), DEPTH, held_out.item_type)
        accuracy = score(held_out, lists, 10).accuracy
        found += [
            accuracy[segment].select("user_id", "hr@10", segment=pl.lit(segment), model=pl.lit(name))
            for segment in ("all", "warm", "cold")
            if segment in accuracy
        ]
        rate = accuracy["all"]["hr@10"].to_numpy().mean()
        print(f"{held_out.item_type}, {name}: HR@10 {rate:.3f}", file=sys.stderr, flush=True)
    return pl.concat(found)


def ratio(values: Mapping[str, Floats64], one: str, other: str) -> dict[str, float]:
    """HR of one model over that of another, with its interval."""
    both = np.stack([values[one], values[other]], axis=1)
    draws = bootstrap(both, 2000, np.random.default_rng(7))
    low, high = interval(draws[:, :1] / np.maximum(draws[:, 1:], 1e-9))
    mean = both.mean(axis=0)
    return {
        "ratio": round(float(mean[0] / mean[1]), 3),
        "low": round(float(low[0]), 3),
        "high": round(float(high[0]), 3),
    }


def told(table: pl.DataFrame, kind: str) -> dict[str, object]:
    ordered = table.sort("world", "user_id")
    values = {name: ordered.filter(pl.col("model") == name)["hr@10"].to_numpy() for name in table["model"].unique()}
    return {
        "users": len(values["oracle"]),
        "hr@10": {name: round(float(found.mean()), 4) for name, found in sorted(values.items())},
        "recipe / oracle": ratio(values, "recipe", "oracle"),
        "oracle of items / oracle": ratio(values, "oracle of items", "oracle"),
        "recipe / oracle of items": ratio(values, "recipe", "oracle of items"),
        "recipe / popularity": ratio(values, "recipe", "popularity"),
        "recipe / without graph model": ratio(values, "recipe", "recipe without graph model"),
        "towers / without graph model": ratio(values, "towers", "towers without graph model"),
        "both types / one": ratio(values, "recipe", f"recipe taught {kind}s alone"),
    }


def main() -> None:
    out = sys.argv[1] if len(sys.argv) > 1 else ""
    users = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    parts = []
    for seed in range(7, 7 + seeds):
        with tempfile.TemporaryDirectory() as scratch:
            world, split = Path(scratch) / "world", Path(scratch) / "split"
            make_world(world, users=users, seed=seed)
            split_data(str(world), split, Settings.load(), ByDays(14), also=TYPES[1:])
            for held_out in read_held_out(split):
                folder = Path(scratch) / held_out.item_type
                folder.mkdir()
                table = hits(world, split, held_out, folder)
                parts.append(table.with_columns(kind=pl.lit(held_out.item_type), world=pl.lit(seed)))
    whole = pl.concat(parts)
    figures = {
        f"{kind}, {segment}": told(table, str(kind))
        for (kind, segment), table in whole.group_by("kind", "segment", maintain_order=True)
    }
    print(json.dumps(figures, indent=1))
    if out:
        Path(out).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
