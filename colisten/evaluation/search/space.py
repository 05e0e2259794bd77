"""The search space: settings and the values that trials draw."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from colisten.settings import Settings

SPACE: Mapping[str, BaseDistribution] = {
    "graph.top_k": CategoricalDistribution((5, 10, 20, 50)),
    "graph.shrinkage": FloatDistribution(0.0, 20.0),
    "gnn.dim": CategoricalDistribution((32, 64, 128)),
    "gnn.aggregate": CategoricalDistribution(("mean", "max")),
    "gnn.node_types": CategoricalDistribution((1, 2, 4)),
    "gnn.loss": CategoricalDistribution(("softmax", "margin")),
    "gnn.temperature": FloatDistribution(0.05, 0.3, log=True),
    "gnn.learning_rate": FloatDistribution(1e-3, 1e-2, log=True),
    "gnn.isolated_node_rate": FloatDistribution(0.0, 0.1),
    "towers.temperature": FloatDistribution(0.05, 0.2, log=True),
    "towers.batch_size": CategoricalDistribution((256, 512, 1024)),
    "towers.learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
    "towers.dropout": FloatDistribution(0.0, 0.4),
    "towers.epochs": CategoricalDistribution((5, 10, 20)),
    "towers.other_types": FloatDistribution(0.0, 1.0),
}
"""Setting → distribution. What every run selects by itself (weights of the parts, penalties) is not here."""


def with_values(settings: Settings, values: Mapping[str, object]) -> Settings:
    """The settings with `values` (`section.name` → value) in place of their own."""
    sections: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    update = {name: getattr(settings, name).model_copy(update=fields) for name, fields in sections.items()}
    return settings.model_copy(update=update)


def as_toml(values: Mapping[str, object]) -> str:
    """Settings as lines of colisten.toml.

    >>> print(as_toml({"gnn.dim": 32, "gnn.loss": "margin", "graph.top_k": 5}))
    [gnn]
    dim = 32
    loss = "margin"
    [graph]
    top_k = 5
    """
    lines: list[str] = []
    for key in sorted(values):
        section, name = key.split(".")
        if f"[{section}]" not in lines:
            lines.append(f"[{section}]")
        value = values[key]
        lines.append(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}")
    return "\n".join(lines)
