"""A trained graph model on disk: weights as safetensors, what it is built from as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_model as load_weights
from safetensors.torch import save_model as save_weights
from torch import nn

from colisten.errors import WorkdirError
from colisten.gnn.model import ModelSpec
from colisten.graph_store.stream.adjacency import Adjacency
from colisten.workdir import replacing_file, write_json


def save_model(model: nn.Module, spec: ModelSpec, folder: Path, origin: str = "") -> None:
    """Write `model.safetensors`, then `model.json`; a later training of the same `origin` may warm start from it."""
    with replacing_file(folder / "model.safetensors") as draft:
        save_weights(model, str(draft))
    write_json(folder / "model.json", {**asdict(spec), "origin": origin})


def origin_of(folder: Path) -> str:
    """The origin of the model in `folder`; empty where there is none."""
    return str(_about(folder).get("origin", ""))


def load_model(folder: Path, adjacency: Adjacency) -> tuple[nn.Module, ModelSpec]:
    """The model that `save_model` wrote, ready for inference, and what it is built from.

    Raises:
        WorkdirError: there is none, or it was trained for other node types or relations than `adjacency` has.
        SettingsError: its class is not to be found any more.
    """
    about = _about(folder)
    if not about:
        raise WorkdirError(f"{folder} holds no trained graph model: run `colisten gnn train` first.")
    values = {field.name: about[field.name] for field in fields(ModelSpec)}
    spec = ModelSpec(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})  # type: ignore[arg-type]  # JSON is untyped
    if (spec.node_types, spec.relations) != (adjacency.node_types, adjacency.relations):
        raise WorkdirError(
            f"The graph model in {folder} knows other item types or relations: run `colisten gnn train` again."
        )
    model = spec.build()
    try:
        load_weights(model, str(folder / "model.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WorkdirError(
            f"The weights in {folder} are not those of gnn.model={spec.model}: run `colisten gnn train` again."
        ) from error
    return model.eval(), spec


def _about(folder: Path) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads((folder / "model.json").read_text())
    except (OSError, ValueError):
        return {}
    return found
