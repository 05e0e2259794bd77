"""What a stage says it is made from is what it reads: every setting, one at a time, on a real run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import get_ident, main_thread

import pytest

from colisten.listening.synth.world import make_world
from colisten.pipeline.gnn import UPSTREAM
from colisten.pipeline.records import read_record
from colisten.pipeline.stage import Context, Stage, matching, run_stages
from colisten.pipeline.stages import NO_STAGE, STAGES
from colisten.progress import Progress
from colisten.settings import Settings, _Section, keys
from colisten.workdir import Workdir, write_json

SMALL = (
    "gnn.max_epochs=1", "gnn.dim=8", "gnn.edges_per_epoch=500", "towers.epochs=1", "towers.hidden=16", "towers.dim=8",
    "towers.minutes=.05",
)  # fmt: skip
OTHER = {
    "listening.conflicting_items": ".2", "graph.relations": "same_series,sequel_of:directed",
    "signals.ignored": "skip", "signals.strong": "stream,finish", "signals.weak": "follow,preview",
    "taste_types": "music", "graph.top_k": "3", "graph.shrinkage": "2",
    "engine": "spark", "neo4j.uri": "bolt://elsewhere:7687",
    "neo4j.password": "secret", "gnn.model": "models:HGT", "gnn.aggregate": "max", "gnn.loss": "margin",
    "gnn.fan_out": "5,5", "gnn.validation": ".2", "gnn.isolated_node_rate": ".1", "towers.hidden": "32",
    "towers.parts": "towers,demand", "towers.temperature": ".05", "towers.other_types": "2", "towers.dropout": ".2",
    "towers.history_half_life": "5",
    "towers.logq": "false", "towers.device": "cpu", "towers.precision": "bf16-mixed",
    "events.keep_days": "30", "cadence.gnn": "weekly", "cadence.towers": "weekly", "cadence.selection": "always",
    "qdrant.url": "http://elsewhere:6333",
    "qdrant.api_key": "secret", "serve.api_key": "secret", "serve.write_key": "secret",
    "recipe": "paper", "serve.traces": "otlp", "tracking": "csv",
    "qdrant.quantization": "int8", "gnn.whitening": ".5",
}  # fmt: skip
"""Values unlike those of the run, of settings that no other number would do for."""


@dataclass(frozen=True)
class Recorded:
    """A finished run, and the settings that each stage read while it ran."""

    context: Context
    reads: dict[str, set[str]]


class Recorder:
    """Notes which settings a stage reads: the one of the thread that reads, and in threads that it began the last one
    in the main thread (another may run beside it)."""

    def __init__(self) -> None:
        self.reads: dict[str, set[str]] = defaultdict(set)
        self.stages: dict[int, str] = {}
        self.sections = {type(value): name for name, value in Settings() if isinstance(value, _Section)}

    def read(self, section: _Section, name: str) -> None:
        stage = self.stages.get(get_ident(), self.stages.get(main_thread().ident or 0, ""))
        if stage and name in type(section).model_fields:
            key = f"{self.sections[type(section)]}.{name}" if type(section) in self.sections else name
            self.reads[stage] |= {key} & set(keys())

    def recorded(self, stage: Stage) -> Stage:
        def run(context: Context) -> str:
            self.stages[get_ident()] = stage.name
            try:
                return stage.run(context)
            finally:
                self.stages[get_ident()] = ""

        return replace(stage, run=run)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, neo4j_settings: Settings) -> Recorded:
    """Both losses of the graph model, as each reads what the other does not."""
    root, recorder, given = tmp_path_factory.mktemp("recorded"), Recorder(), _Section.__getattribute__

    def watched(self: _Section, name: str) -> object:
        recorder.read(self, name)
        return given(self, name)

    make_world(root / "world", users=150, audiobooks=40, podcasts=30, seed=3)
    workdir = Workdir.open(root / "W", create=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_Section, "__getattribute__", watched)
        for loss in ("margin", "softmax"):
            settings = Settings.load([*SMALL, f"gnn.loss={loss}"]).model_copy(update={"neo4j": neo4j_settings.neo4j})
            context = Context(workdir, settings, Progress(quiet=True), str(root / "world"), replace=True)
            run_stages([recorder.recorded(stage) for stage in STAGES], context)
    return Recorded(context, recorder.reads)


def test_a_stage_declares_what_it_reads_and_nothing_else(recorded: Recorded) -> None:
    for stage in STAGES:
        declared = matching(stage.settings) | matching(stage.ignores)
        read = recorded.reads[stage.name] - matching(NO_STAGE)
        assert read <= declared, stage.name
        assert declared - set(UPSTREAM) <= read | _NOT_READ_HERE, stage.name


_NOT_READ_HERE = {"neo4j.bolt_port", "neo4j.http_port", "neo4j.memory_mb"}
"""Of the managed server; the tests bring their own."""


@pytest.mark.parametrize("key", keys())
def test_a_changed_setting_runs_the_stages_that_read_it(recorded: Recorded, tmp_path: Path, key: str) -> None:
    context = recorded.context
    expected = [
        stage.name
        for stage in STAGES
        if key in recorded.reads[stage.name] | (set(UPSTREAM) & matching(stage.settings))
        and key not in matching(stage.ignores) | matching(NO_STAGE)
    ]
    copy = Workdir.open(tmp_path / "W", create=True)
    for stage in STAGES:  # without the files, which stay behind
        write_json(copy.stages / f"{stage.name}.json", read_record(context.workdir, stage.name) | {"files": {}})
    changed = replace(context, workdir=copy, settings=_changed(context.settings, key))
    assert run_stages([_without_work(stage, context) for stage in STAGES], changed) == expected
    assert expected or key in matching(NO_STAGE) | {key for stage in STAGES for key in matching(stage.ignores)}


def _changed(settings: Settings, key: str) -> Settings:
    section, dot, name = key.rpartition(".")
    changed = getattr(settings, section) if dot else settings
    value = OTHER.get(key, _other(getattr(changed, name)))
    assert value != getattr(changed, name)
    changed = type(changed).model_validate({**dict(changed), name: value})
    return settings.model_copy(update={section: changed}) if dot else changed


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}-other"


def _without_work(stage: Stage, done: Context) -> Stage:
    """A stage that ends as it did in the run."""
    record = read_record(done.workdir, stage.name)
    return replace(
        stage,
        run=lambda _: str(record["digest"]),
        output_exists=lambda _: True,
        other_inputs=lambda context: stage.other_inputs(replace(context, workdir=done.workdir)),
    )
