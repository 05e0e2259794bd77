"""Colisten beside tuned hybrids of plain models, on a made-up world of many items and little listening:

    python benchmarks/sparse_world.py F                     everything, in the folder F; hours on two cores
    python benchmarks/sparse_world.py F --skip-run          with the working folder that is there
    python benchmarks/sparse_world.py F --peer-only         without Colisten
    python benchmarks/sparse_world.py F --world D --workdir W

World: 30,000 audiobooks, 30,000 podcasts, 15,000 users with 11 streamed items each on average. Split: `colisten data
split --days 14`. `colisten run` and `recommend` take their defaults. The peer adds each user's z-scores by EASE (exact)
or item-kNN, by text-kNN on the sentence vectors that Colisten has, and by log popularity; a second one also raises what
the user touched by a weak signal. All of both is chosen on the validation slice of Colisten's own selection, by the
mean of NDCG@10 and NDCG@100, for warm and for cold users.

Prints HR@10 and NDCG@10 (all, warm, cold users), HR@10 outside the most streamed fifth, and the share of the catalogue
in anybody's first 100: of Colisten, both peers and the first one's parts; and Colisten over the peers, with the paired
standard error. F keeps the lists.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from scipy import sparse

from benchmarks.command import COLISTEN
from colisten.arrays import Bools, Floats, Floats64, Int64s
from colisten.compiled import compiled
from colisten.evaluation.baselines.baseline import Baseline
from colisten.evaluation.baselines.ease import EASE
from colisten.evaluation.baselines.interaction_matrix import InteractionMatrix, read_interaction_matrix
from colisten.evaluation.baselines.item_knn import ItemKNN
from colisten.evaluation.baselines.text_knn import nearest_texts
from colisten.evaluation.baselines.top_k import strongest
from colisten.evaluation.baselines.validation_slice import ValidationSlice, validation_slice
from colisten.evaluation.held_out_streams import check_no_leaks, read_held_out
from colisten.evaluation.scores import DEPTH, score
from colisten.listening.data import ListeningData
from colisten.listening.importing import import_data
from colisten.listening.other_interactions import with_interactions
from colisten.listening.synth.world import make_world
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.text.encoding import encode_items, load_text
from colisten.towers.selection.ranking_task import MIN_USERS, RankingTask

SETTINGS = Settings()
TARGET = SETTINGS.target
PENALTIES = {n: float(f"{10 ** (n / 2):.1g}") for n in range(-4, 13)}
KNN = ((300, 1000), (0.0, 20.0, 100.0, 400.0))
"""Neighbours, shrinkage."""
TEXT_KNN = (0, 20, 200, 800)
"""Neighbours; 0: all streamed items count."""
STEPS = (0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
Weights = tuple[float, float, float]
"""Of EASE or item-kNN, text-kNN and popularity."""
WEIGHTS: list[Weights] = [*product([1.0], STEPS, STEPS), *product([0.0], [1.0], STEPS), (0.0, 0.0, 1.0)]
PEERS = ("peer", "peer + touched")
TOUCHED = (10.0, 30.0, 100.0, 300.0, 1000.0)
PARTS = {"- EASE or kNN": WEIGHTS[0], "- text-kNN": WEIGHTS[-1 - len(STEPS)], "- popularity": WEIGHTS[-1]}
MEASURES = [(segment, metric) for metric in ("hr@10", "ndcg@10") for segment in ("all", "warm", "cold")]
MEASURES.append(("tail items", "hr@10"))
_BEGAN = time.monotonic()


def say(line: str) -> None:
    print(f"{time.monotonic() - _BEGAN:6.0f} s  {line}", file=sys.stderr, flush=True)


def colisten(*words: str | int | Path) -> None:
    say(f"colisten {' '.join(map(str, words))}")
    subprocess.run([*COLISTEN, *map(str, words)], stdout=sys.stderr, check=True)


@dataclass(frozen=True)
class Option:
    """A model that is not fitted yet, and whether it learns from the target type's listening alone."""

    model: Baseline
    own: bool

    def fit(self, listening: Mapping[bool, ListeningData]) -> Baseline:
        return replace(self.model).fit(listening[self.own])


@dataclass(frozen=True)
class Mix:
    """A peer for warm or for cold users, and its validation NDCG."""

    option: Option
    touched: float
    """Added to the option's z-score of what the user touched by a weak signal."""
    text_k: int
    weights: Weights
    ndcg: float


Mixes = dict[bool, Mix]
"""By whether the user is warm."""


class Texts:
    """`TextKNN` for items of the target type, among those that anybody streamed; the neighbours of every k."""

    def __init__(self, text: Floats, data: ListeningData) -> None:
        self._unit: Floats = text / np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-9)
        streamed = data.listeners.select("item").sort("item").collect()["item"].to_numpy()
        near = nearest_texts(self._unit, np.flatnonzero(data.of_type(TARGET)), streamed, max(TEXT_KNN))
        self._near = {k: strongest(near, k) for k in TEXT_KNN if k}

    def scores(self, streams: sparse.csr_matrix, items: Int64s, k: int) -> Floats:
        if not k:
            return np.asarray((streams @ self._unit) @ self._unit[items].T)
        return np.asarray((streams @ self._near[k][:, items]).toarray())


def standardised(scores: Floats) -> Floats:
    """z-scores of the last axis; zero where nothing varies."""
    spread = scores.std(axis=-1, keepdims=True)
    found: Floats = (scores - scores.mean(axis=-1, keepdims=True)) / np.where(spread > 1e-7, spread, np.inf)
    return found


def collaborative(model: Baseline, matrix: InteractionMatrix, users: Int64s, items: Int64s, touched: float) -> Floats:
    found = standardised(model.scores(users, items))
    if touched:
        found += np.float32(touched) * matrix.weak[users][:, items].toarray()
    return found


@compiled
def ranks(one: Floats, text: Floats, popular: Floats, users: Int64s, items: Int64s, weights: Floats) -> Int64s:
    """How many candidates are not behind each (user, item), int64 [pairs, mixes]; −∞ in `one` is behind, or NaN."""
    found = np.zeros((len(users), len(weights)), np.int64)
    for pair in range(len(users)):
        user, item = users[pair], items[pair]
        for mix in range(len(weights)):
            a, b, c = weights[mix]
            own = a * one[user, item] + b * text[user, item] + c * popular[item]
            ahead = 0
            for other in range(one.shape[1]):
                ahead += a * one[user, other] + b * text[user, other] + c * popular[other] >= own
            found[pair, mix] = ahead - 1
    return found


class Tuning:
    """Tries models, each in every mix, and keeps the best mix of warm (True) and of cold users."""

    def __init__(self, validation: ValidationSlice, texts: Texts, listening: Mapping[bool, ListeningData]) -> None:
        self._users, self._task, self._listening = validation.users, validation.task, listening
        self._matrix = read_interaction_matrix(validation.data)
        candidates, streams = self._task.candidates, self._matrix.streams[self._users]
        self._popular = standardised(np.log1p(self._matrix.listeners[candidates]))
        self._texts = [
            [standardised(texts.scores(streams[some], candidates, k)) for k in TEXT_KNN]
            for some, _ in self._task.pieces()
        ]
        self._best: Mixes = {}

    def run(self) -> tuple[Mixes, Mixes]:
        """The best mixes of item-kNN and EASE, of the target type alone or of all types, without and with `touched`."""
        for own, k, shrink in product((True, False), *KNN):
            self._attempt(Option(ItemKNN(k, shrink), own))
        near = self._climb((3, 5, 7), own=True)
        self._climb((near - 1, near, near + 1), own=False)
        untouched = dict(self._best)
        for option in distinct(untouched):
            self._attempt(option, TOUCHED)
        return untouched, self._best

    def _climb(self, start: Iterable[int], *, own: bool) -> int:
        """Try penalties of EASE until both neighbours of the best, which is returned, have been tried as well."""
        found: dict[int, float] = {}
        while wanted := PENALTIES.keys() & set(start) - found.keys():
            found |= {n: self._attempt(Option(EASE(PENALTIES[n]), own)) for n in sorted(wanted)}
            best = max(found, key=lambda n: found[n])
            start = (best - 1, best + 1)
        return best

    def _attempt(self, option: Option, touched: Iterable[float] = (0.0,)) -> float:
        """Mean NDCG over all users of the option's best mixes; too few users of a kind are not asked apart."""
        model, totals = option.fit(self._listening), []
        for each in touched:
            ndcg, found = self._ndcg(model, each), {}
            for warm in (True, False):
                mine = self._task.warm == warm
                means = ndcg[..., mine if mine.sum() >= MIN_USERS else slice(None)].mean(axis=-1)
                text, weights = np.unravel_index(means.argmax(), means.shape)
                found[warm] = Mix(option, each, TEXT_KNN[text], WEIGHTS[weights], float(means.max()))
                self._best[warm] = max(self._best.get(warm, found[warm]), found[warm], key=lambda mix: mix.ndcg)
            totals.append(sum(found[warm].ndcg for warm in self._task.warm.tolist()) / len(self._task))
            say(f"{totals[-1]:.4f} {option}" + f" + {each:g} touched" * (each > 0))
        return max(totals)

    def _ndcg(self, model: Baseline, touched: float) -> Floats:
        """float32 [texts, mixes, users]."""
        found = np.empty((len(TEXT_KNN), len(WEIGHTS), len(self._users)), np.float32)
        for (some, piece), texts in zip(self._task.pieces(), self._texts, strict=True):
            one = collaborative(model, self._matrix, self._users[some], piece.candidates, touched)
            one[piece.left_out.users, piece.left_out.items] = -np.inf
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                found[..., some] = list(pool.map(partial(self._of_piece, piece, one), texts))
        return found

    def _of_piece(self, piece: RankingTask, one: Floats, text: Floats) -> Floats:
        """The mean of NDCG@10 and NDCG@100, [mixes, users], as `RankingTask.ndcg` has it."""
        users, items = piece.truth.users, piece.truth.items
        rank = ranks(one, text, self._popular, users, items, np.array(WEIGHTS, np.float32))
        first = np.searchsorted(users, np.arange(len(piece)))
        labels = np.bincount(users, minlength=len(piece))
        ideal = np.cumsum(1 / np.log2(np.arange(DEPTH) + 2))
        gains = {cut: np.where(rank < cut, 1 / np.log2(rank + 2), 0) for cut in (10, DEPTH)}
        parts = [np.add.reduceat(gain, first).T / ideal[np.minimum(labels, cut) - 1] for cut, gain in gains.items()]
        return np.asarray(np.mean(parts, axis=0))


@dataclass
class Peer(Baseline):
    """The mixes fitted to all the training data."""

    mixes: Mixes
    texts: Texts

    def _fit(self, data: ListeningData) -> None:
        touched = self.interactions.with_weak(1.0)[:, np.flatnonzero(data.of_type(TARGET))]
        self._warm: Bools = np.diff(touched.indptr) > 0
        with by_own(data) as listening:
            self._models = {str(option): option.fit(listening) for option in distinct(self.mixes)}

    def scores(self, users: Int64s, items: Int64s) -> Floats:
        popular = standardised(np.log1p(self.interactions.listeners[items]))
        scores = np.zeros((len(users), len(items)), np.float32)
        for warm, mix in self.mixes.items():
            mine = self._warm[users] == warm
            model = self._models[str(mix.option)]
            one = collaborative(model, self.interactions, users[mine], items, mix.touched)
            text = standardised(self.texts.scores(self.interactions.streams[users[mine]], items, mix.text_k))
            a, b, c = mix.weights
            scores[mine] = a * one + b * text + c * popular
        return scores


@contextmanager
def by_own(data: ListeningData) -> Iterator[dict[bool, ListeningData]]:
    """All listening (False), and that of the target type alone (True)."""
    target = pl.Series(np.flatnonzero(data.of_type(TARGET)), dtype=pl.Int32)
    own = pl.scan_parquet(data.interactions).filter(pl.col("item").is_in(target.implode()))
    with TemporaryDirectory() as scratch:
        yield {False: data, True: with_interactions(data, own, Path(scratch))}


def distinct(mixes: Mixes) -> list[Option]:
    return list({str(mix.option): mix.option for mix in mixes.values()}.values())


def peer_lists(data: ListeningData, text: Floats, users: list[str]) -> dict[str, pl.DataFrame]:
    """Recommendations of both peers and of the first one's parts."""
    texts = Texts(text, data)
    say("found the neighbours of texts")
    with validation_slice(data, SETTINGS) as validation:
        assert validation is not None, "there is too little listening to validate on"
        with by_own(validation.data) as listening:
            plain, touched = Tuning(validation, texts, listening).run()
    peer, lists = Peer(plain, texts).fit(data), {}
    parts = {name: {warm: replace(mix, weights=part) for warm, mix in plain.items()} for name, part in PARTS.items()}
    for warm, mix in [*plain.items(), *touched.items()]:
        say(f"{'warm' if warm else 'cold'} users: {mix}")
    for name, mixes in {**dict(zip(PEERS, (plain, touched), strict=True)), **parts}.items():
        peer.mixes = mixes
        lists[name] = peer.recommend(users, DEPTH, TARGET)
    return lists


def training_data(split: Path, workdir: Path, folder: Path) -> tuple[ListeningData, Floats]:
    """What Colisten learned from and its text vectors; made in `folder` where it did not run."""
    if (workdir / "features/text.safetensors").exists():
        data = ListeningData(workdir / "listening")
        check_no_leaks(data, read_held_out(split))
        return data, load_text(workdir / "features")
    (folder / "features").mkdir(parents=True, exist_ok=True)
    with Progress() as progress:
        data = import_data(str(split / "train"), folder / "listening", SETTINGS, progress)
        return data, encode_items(data, SETTINGS.text, folder / "features", progress)


def ratio(over: Floats64, under: Floats64) -> tuple[float, float]:
    """Of the means over the same users, with its standard error (delta method)."""
    found = over.mean() / under.mean()
    return float(found), float((over - found * under).std() / np.sqrt(len(over)) / under.mean())


def show(lists: Mapping[str, pl.DataFrame], split: Path) -> None:
    """A row for each table of recommendations, and Colisten over the peers."""
    held_out, users, rows = read_held_out(split)[0], {}, {}
    for name, recommendations in lists.items():
        scores = score(held_out, recommendations, 10)
        users[name] = [scores.accuracy[segment][metric].to_numpy() for segment, metric in MEASURES]
        rows[name] = [*(each.mean() for each in users[name]), scores.lists[f"coverage@{DEPTH}"]]
    for peer in PEERS if "Colisten" in lists else ():
        ratios = [ratio(*both) for both in zip(users["Colisten"], users[peer], strict=True)]
        rows[f"/ {peer}"] = [*(found for found, _ in ratios), rows["Colisten"][-1] / rows[peer][-1]]
        rows[f"/ {peer} ±"] = [error for _, error in ratios]
    print(f"{'':18} HR all   warm   cold   NDCG   warm   cold   tail  cover")
    for name, cells in rows.items():
        print(f"{name:18}" + "".join(f" {cell:6.4f}" for cell in cells))


def run_colisten(split: Path, workdir: Path, out: Path, *, run: bool) -> pl.DataFrame:
    if run:
        colisten("run", "--data", split / "train", "--workdir", workdir)
        colisten("db", "stop", "--workdir", workdir)
    colisten("recommend", "--users", split / "users.csv", "-k", DEPTH, "--workdir", workdir, "--out", out)
    return pl.read_parquet(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--world", type=Path, help="listening data; by default FOLDER/world, made unless it is there")
    parser.add_argument("--workdir", type=Path, help="by default FOLDER/work")
    parser.add_argument("--skip-run", action="store_true", help="the working folder was run on FOLDER/split/train")
    parser.add_argument("--peer-only", action="store_true", help="without Colisten")
    given = parser.parse_args()
    folder, world = given.folder, given.world or given.folder / "world"
    split, workdir = folder / "split", given.workdir or folder / "work"
    folder.mkdir(parents=True, exist_ok=True)
    if not world.exists():
        say(f"making {world}")
        make_world(world, users=15_000, audiobooks=30_000, podcasts=30_000, per_user=11)
    colisten("data", "split", world, split, "--target", TARGET, "--days", 14)
    lists = {}
    if not given.peer_only:
        lists["Colisten"] = run_colisten(split, workdir, folder / "Colisten.parquet", run=not given.skip_run)
    data, text = training_data(split, workdir, folder / "peer")
    lists |= peer_lists(data, text, (split / "users.csv").read_text().split())
    for name in PEERS:
        lists[name].write_parquet(folder / f"{name}.parquet")
    show(lists, split)


if __name__ == "__main__":
    main()
