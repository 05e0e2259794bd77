"""Items and working folders to publish and serve, small and real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from colisten.arrays import Floats
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.ragged import offsets
from colisten.serving.profile_writing import write_profiles
from colisten.serving.published_items import PublishedItems
from colisten.serving.publishing import publish
from colisten.settings import Settings, TowersSettings
from colisten.towers.item_matrix import ItemMatrix
from colisten.towers.parts import COLD, WARM
from colisten.towers.selection.mixing import Weights, choose_weights
from colisten.towers.selection.ranking_task import RankingTask, Scorer
from colisten.workdir import Workdir
from tests.worlds import Event, write_listening

QUIET = Progress(quiet=True)
TYPES = ("audiobook", "podcast", "short")
LANGUAGES = ("de", "en", "fr")
GENRES = ("crime", "history", "love", 'o\'clock "noir"')
TEXT_WIDTH = 384
SIGNALS = ("stream", "follow", "preview")


def vectors(count: int, width: int, seed: int) -> Floats:
    """Random, and such that half precision keeps them as they are."""
    drawn = np.random.default_rng(seed).standard_normal((count, width))
    return drawn.astype(np.float16).astype(np.float32)


def texts(count: int, seed: int) -> Floats:
    """Like vectors of texts, as wide as the packaged encoder's: rows 0, 10, … are empty, 5 reads like 4, 15 like 14."""
    found = vectors(count, TEXT_WIDTH, seed)
    found[::10] = 0
    found[5::10] += 2 * found[4::10][: len(found[5::10])]
    unit: Floats = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return unit


def table(count: int, seed: int = 0) -> pl.DataFrame:
    """Items by the data contract: every third language unknown, some without genres, one type rare, a few retired."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(3, count, p=[0.5, 0.45, 0.05]).tolist()
    genres = [sorted({GENRES[g] for g in rng.integers(0, 4, n)}) or None for n in rng.integers(0, 4, count).tolist()]
    languages = [None if i % 3 == 0 else LANGUAGES[rng.integers(3)] for i in range(count)]
    frame = pl.DataFrame(
        {
            "item": np.arange(count, dtype=np.int32),
            "item_id": [f'it\'em "{i}"' for i in range(count)],
            "item_type": [TYPES[kind] for kind in kinds],
            "title": [f"Title {i}" for i in range(count)],
            "language": pl.Series(languages, dtype=pl.String),
            "genres": pl.Series(genres, dtype=pl.List(pl.String)),
            "creators": pl.Series([["A. Writer"]] * count, dtype=pl.List(pl.String)),
            "retired": [i % 50 == 7 for i in range(count)],
        }
    )
    return frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).over("item_type").alias("row"))


def random_matrix(items: int, seed: int) -> ItemMatrix:
    """Non-negative weights of about a tenth of all pairs of items."""
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((items, items)) < 0.1, rng.exponential(size=(items, items)), 0)
    source, target = np.nonzero(dense)
    lengths = np.bincount(source, minlength=items)
    return ItemMatrix(offsets(lengths), target.astype(np.int32), dense[source, target].astype(np.float32))


def random_items(count: int, *, width: int = 16, seed: int = 0) -> PublishedItems:
    """Items with random vectors, as `published_items` collects them."""
    kept = table(count, seed).filter(~pl.col("retired"))
    items = kept["item"].to_numpy().astype(np.int64)
    return PublishedItems(
        items,
        {
            "towers": vectors(len(kept), width, seed + 1),
            "hgnn": vectors(len(kept), width // 2, seed + 2),
            "text": texts(len(kept), seed + 3),
        },
        {name: random_matrix(count, seed + 4 + place).transposed(items) for place, name in enumerate((WARM, COLD))},
        kept.drop("item", "retired", "row"),
    )


def listening(folder: Path, *, users: int = 60, items: int = 240, seed: int = 0) -> ListeningData:
    """Users in four groups of taste, with long and short histories.

    User 1 heard nearly every audiobook; the last three are an American of 30 who just heard items 2 and 9, one whose id
    is full of quotes, and one without any history.
    """
    rng = np.random.default_rng(seed)
    item_table = table(items, seed)
    books = item_table.filter(pl.col("item_type") == "audiobook")["item"].to_numpy()
    rows: list[Event] = [(1, int(item), 0, 1_700_000_000 + int(item)) for item in books[:-3]]
    rows += [(users - 3, item, 0, 1_700_001_000) for item in (2, 9)]
    for user in [*range(users - 3), users - 2]:
        drawn = rng.integers(0, items // 4, rng.integers(1, 40)) * 4 + user % 4
        rows += [
            (user, int(item), int(rng.integers(3)), int(rng.integers(1_600_000_000, 1_700_000_000))) for item in drawn
        ]
    people = {
        "user": np.arange(users, dtype=np.int32),
        "user_id": [f"u{i}" for i in range(users - 3)] + ["just like", "o'brien\"; DROP TABLE users", "silent"],
        "taste": pl.Series(
            [rng.normal(size=4).tolist() if i % 2 and i != users - 3 else None for i in range(users)],
            dtype=pl.List(pl.Float32),
        ),
        "country": pl.Series([["US", "SE", None][i % 3] for i in range(users)], dtype=pl.String),
        "age": pl.Series([30 if i == users - 3 else i + 15 if i % 4 else None for i in range(users)], dtype=pl.Int64),
    }
    columns = {name: item_table[name] for name in ("item_id", "title", "language", "genres", "creators", "retired")}
    return write_listening(
        folder, item_table["item_type"].to_list(), rows, items=columns, users=pl.DataFrame(people), signals=SIGNALS
    )


def trained(
    root: Path, *, seed: int = 0, write: Callable[[Path], ListeningData] | None = None, embeddings: Floats | None = None
) -> tuple[Workdir, ListeningData, Settings]:
    """A working folder with data (of `write`, or `listening`), item embeddings (random ones, if not given) and really
    trained (if briefly) towers; nothing published."""
    from colisten.towers.training import train_towers  # torch: only where it is needed, processes here come and go

    workdir = Workdir.open(root, create=True)
    data = write(workdir.listening) if write else listening(workdir.listening, seed=seed)
    towers = TowersSettings(hidden=(16,), dim=8, epochs=1, minutes=0)
    settings = Settings(target="audiobook", towers=towers, seed=seed)
    embeddings = vectors(len(data.items), 6, seed + 5) if embeddings is None else embeddings
    workdir.gnn.mkdir()
    workdir.features.mkdir()
    save_file({"text": texts(len(data.items), seed)}, workdir.features / "text.safetensors")
    save_file({"embeddings": embeddings}, workdir.gnn / "items.safetensors")
    with patch("colisten.towers.selection.on_validation.choose_weights", _all_counting):
        train_towers(
            data, vectors(len(data.items), 5, seed), embeddings, lambda _: embeddings, settings, workdir.towers, QUIET
        )
    return workdir, data, settings


def _all_counting(
    task: RankingTask, parts: Mapping[str, Scorer]
) -> tuple[Weights, Weights, dict[str, dict[str, float]]]:
    """Every part counts, whatever validation makes of so little data: what is served is to be tested whole."""
    warm, cold, found = choose_weights(task, parts)
    raised = [{name: least + weight for name, weight in of.items()} for least, of in ((0.2, warm), (0.3, cold))]
    return raised[0], raised[1], found


def served(
    root: Path, *, write: Callable[[Path], ListeningData] | None = None, embeddings: Floats | None = None
) -> tuple[Workdir, ListeningData, Settings]:
    """`trained`, with profiles and a live index."""
    workdir, data, settings = trained(root, write=write, embeddings=embeddings)
    write_profiles(data, workdir.profiles, QUIET)
    publish(workdir, data, settings, QUIET)
    return workdir, data, settings
