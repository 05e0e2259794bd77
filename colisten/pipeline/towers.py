"""Stage `towers`: train the two towers and what is scored beside them, each part weighed on validation."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from colisten.listening.data import ListeningData
from colisten.pipeline.edges import built_with
from colisten.pipeline.gnn import UPSTREAM, upstream
from colisten.pipeline.records import read_record
from colisten.pipeline.stage import Context, Stage, files_in, own_digest
from colisten.pipeline.tracked import tracker_of
from colisten.workdir import file_digest

if TYPE_CHECKING:
    from colisten.arrays import Floats
    from colisten.listening.histories import UserHistories
    from colisten.towers.selection.tower_selection import Circumstances, TowerSelection


def _run(context: Context) -> str:
    import polars as pl

    from colisten.gnn.embedding import load_embeddings
    from colisten.gnn.held_out_embeddings import embed_held_out
    from colisten.graph_store.edge_summary import FILE
    from colisten.relations import CO_LISTENED
    from colisten.text.encoding import load_text
    from colisten.towers.relations import relation_matrices
    from colisten.towers.training import circumstances, train_towers

    workdir, progress = context.workdir, context.progress
    data, text = ListeningData(workdir.listening), load_text(workdir.features)
    settings = context.settings.model_copy(update={"graph": built_with(context)})

    others = pl.read_parquet(workdir.edges / FILE, glob=False).filter(pl.col("relation") != CO_LISTENED)

    def embed_histories(histories: UserHistories) -> Floats:
        return embed_held_out(data, histories, text, settings, workdir.gnn, progress, others)

    folder = workdir.towers
    relations = relation_matrices(others, len(data.items), settings.graph.relations)
    train_towers(
        data, text, load_embeddings(workdir.gnn), embed_histories, context.settings, folder, progress, relations,
        tracker_of(context, "towers"), _standing(context, circumstances(data, relations)),
    )  # fmt: skip
    return file_digest(folder / "towers.safetensors", folder / "items.safetensors")


def _standing(context: Context, now: Circumstances) -> TowerSelection | None:
    """The last selection, if the settings are the same, data only grew, not by much, and its time is not over."""
    from colisten.towers.selection.tower_selection import read_selection

    last = read_selection(context.workdir.towers)
    if last is None or read_record(context.workdir, "towers").get("own") != own_digest(STAGE, context):
        return None
    due = context.settings.cadence.next_day("selection", date.fromisoformat(last.made.day))
    return last if now.like(last.made) and date.fromisoformat(now.day) < due else None


def _output_exists(context: Context) -> bool:
    """Are there towers, with a vector for every item of today?"""
    from colisten.towers.tensors import mapped

    vectors, items = context.workdir.towers / "items.safetensors", ListeningData(context.workdir.listening).items
    return vectors.exists() and len(mapped(vectors)["vectors"]) == len(items)


STAGE = Stage(
    "towers",
    "Training the two towers",
    depends_on=("listening", "text", "relations", "embed"),
    settings=("towers.*", "gnn.node_types", "target", "seed", *UPSTREAM),
    ignores=("graph.memory_mb", "towers.cache_mb", "towers.device", "towers.devices", "tracking"),
    other_inputs=upstream,
    run=_run,
    files=files_in("towers/*"),
    output_exists=_output_exists,
)
