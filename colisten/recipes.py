"""Recipes: named presets of settings; values set by the user override them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Recipe = Literal["default", "paper"]

PRESETS: Mapping[Recipe, Mapping[str, object]] = {
    "default": {},
    "paper": {
        "graph": {"min_listeners": 1, "top_k": 0, "shrinkage": 0.0, "relations": []},
        "gnn": {
            "loss": "margin",
            "aggregate": "max",
            "isolated_node_rate": 0.0,
            "whitening": 0.0,
            "batch_size": 256,
            "learning_rate": 1e-3,
            "max_epochs": 50,
            "patience": 10,
        },
        "towers": {
            "parts": ["towers"],
            "hidden": [512, 256],
            "batch_size": 128,
            "learning_rate": 1e-3,
            "epochs": 10,
            "temperature": 0.1,
            "other_types": 0.0,
            "history_half_life": 0,
            "history_days": 90,
        },
    },
}
"""`paper`: what arXiv 2403.05185 prints (4.1.1, 4.3.1). Widths of the graph model, fan-out, margin, negatives per edge,
temperature and dropout are not printed there, so the defaults stand in for them."""
