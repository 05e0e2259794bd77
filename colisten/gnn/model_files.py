"""A trained model on disk: weights as safetensors, shape as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save_file

from colisten.errors import WorkdirError
from colisten.gnn.hgnn import HGNN, Shape
from colisten.workdir import replacing_file, write_json


def save_model(model: HGNN, folder: Path, node_types: tuple[str, ...], origin: str = "") -> None:
    """Write `model.safetensors`, then `model.json`; a later training of the same `origin` may go on."""
    with replacing_file(folder / "model.safetensors") as draft:
        save_file(model.state_dict(), draft)
    write_json(folder / "model.json", {**asdict(model.shape), "node_type_names": node_types, "origin": origin})


def origin_of(folder: Path) -> str:
    """The origin of the model in `folder`; empty where there is none."""
    about = folder / "model.json"
    return str(json.loads(about.read_text()).get("origin", "")) if about.exists() else ""


def load_model(folder: Path, node_types: tuple[str, ...]) -> HGNN:
    """The model that `save_model` wrote.

    Raises:
        WorkdirError: there is none, or it was trained for other node types.
    """
    try:
        about = json.loads((folder / "model.json").read_text())
        weights = load_file(folder / "model.safetensors")
    except (OSError, ValueError) as error:
        raise WorkdirError(f"{folder} holds no trained graph model: run `colisten gnn train` first.") from error
    if tuple(about.pop("node_type_names")) != node_types:
        raise WorkdirError(f"The graph model in {folder} knows other item types: run `colisten gnn train` again.")
    about.pop("origin", None)
    model = HGNN(Shape(**about))
    model.load_state_dict(weights)
    return model.eval()
