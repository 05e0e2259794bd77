"""What `colisten evaluate --suite paper` does."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from safetensors.numpy import load_file

from colisten.evaluation.held_out import read_held_out, refuse_leaks
from colisten.evaluation.suite.cells import Cell, cell
from colisten.evaluation.suite.comparison import Comparison, compare
from colisten.evaluation.suite.ground import Ground
from colisten.evaluation.suite.variants import VARIANTS
from colisten.listening.data import ListeningData
from colisten.progress import Progress
from colisten.settings import Settings
from colisten.workdir import Workdir


def paper_suite(workdir: Workdir, split: Path, settings: Settings, k: int, progress: Progress) -> Comparison:
    """Train and judge all variants under `evaluation.seeds` seeds on the held-out streams of the target type.

    `workdir` has read the split's train part and encoded its texts. Each finished cell is kept in `workdir`, and one
    that was made with the same settings from the same data is not made again.

    Raises:
        DataError: the split cannot be read, or the working folder has learned from what it hides.
    """
    data, (held_out, *_) = ListeningData(workdir.listening), read_held_out(split)
    refuse_leaks(data, [held_out])
    text = load_file(workdir.features / "text.safetensors")["text"]
    ground = Ground(data, text, settings, workdir.suite / _digest(data, split, settings, k), progress)
    seeds = range(settings.seed, settings.seed + settings.evaluation.seeds)
    asked = [(variant, seed) for variant in VARIANTS for seed in (seeds if variant.seeded else seeds[:1])]
    cells: dict[str, list[Cell]] = {variant.name: [] for variant in VARIANTS}
    with progress.task("training the paper's models", total=len(asked)) as task:
        for variant, seed in asked:
            cells[variant.name].append(cell(variant, ground, held_out, seed, k))
            task.advance(note=f"{variant.name}, seed {seed}")
    return compare(cells, held_out.item_type, k, settings.seed)


def _digest(data: ListeningData, split: Path, settings: Settings, k: int) -> str:
    """What all cells depend on but for variant and seed."""
    parts = [getattr(settings, name).model_dump_json() for name in ("signals", "graph", "gnn", "towers", "text")]
    digest = hashlib.sha256(" ".join([version("colisten"), settings.target, str(k), *parts]).encode())
    for path in (data.interactions, data.root / "items.parquet", data.root / "users.parquet", split / "test.parquet"):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
