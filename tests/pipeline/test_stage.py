"""What is up to date is skipped, what changed or was killed runs again, at its own pace."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from filelock import FileLock
from neo4j import Driver

from colisten.errors import DataError, WorkdirError
from colisten.graph_store.edges import build_edges
from colisten.pipeline.stage import Context, Stage, run_stages
from colisten.pipeline.stages import STAGES
from colisten.progress import Progress
from colisten.settings import CadenceSettings, Settings
from colisten.workdir import Workdir, write_json
from tests.conftest import wipe
from tests.listening.sources import Importer, event
from tests.serving.worlds import trained


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Workdir.open(tmp_path / "w", create=True), Settings(), Progress(quiet=True), str(tmp_path))


class Kitchen:
    """Three stages in a row whose inputs and results a test can change."""

    def __init__(self) -> None:
        self.inputs = {"flour": 1, "dough": 1, "bread": 1}
        self.results = {"flour": "f", "dough": "d", "bread": "b"}
        self.there = True

    def stages(self) -> list[Stage]:
        names = list(self.inputs)
        return [self._stage(name, tuple(names[i - 1 : i])) for i, name in enumerate(names)]

    def _stage(self, name: str, depends_on: tuple[str, ...]) -> Stage:
        return Stage(
            name,
            name.title(),
            depends_on=depends_on,
            settings=(),
            other_inputs=lambda _: self.inputs[name],
            run=lambda _: self.results[name],
            output_exists=lambda _: self.there,
        )


def test_a_second_run_does_nothing(context: Context) -> None:
    kitchen = Kitchen()
    assert run_stages(kitchen.stages(), context) == ["flour", "dough", "bread"]
    assert run_stages(kitchen.stages(), context) == []


def test_a_change_runs_its_stage_and_stops_where_the_result_is_as_before(context: Context) -> None:
    kitchen = Kitchen()
    run_stages(kitchen.stages(), context)
    kitchen.inputs["flour"] = 2
    assert run_stages(kitchen.stages(), context) == ["flour"]
    kitchen.inputs["flour"], kitchen.results["flour"] = 3, "finer"
    assert run_stages(kitchen.stages(), context) == ["flour", "dough"]


def test_lost_results_are_made_again(context: Context) -> None:
    kitchen = Kitchen()
    run_stages(kitchen.stages(), context)
    kitchen.there = False
    assert run_stages(kitchen.stages(), context) == ["flour", "dough", "bread"]


def test_a_stage_that_fails_runs_again(context: Context) -> None:
    kitchen = Kitchen()
    stages = kitchen.stages()

    def burn(_: Context) -> str:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_stages([stages[0], replace(stages[1], run=burn)], context)
    assert run_stages(stages, context) == ["dough", "bread"]


def test_a_stage_beside_others_ends_before_the_run_does(context: Context) -> None:
    flour, dough, bread = Kitchen().stages()
    baked = Event()

    def wait(_: Context) -> str:
        assert baked.wait(60), "the stages after it did not run meanwhile"
        return "d"

    def bake(_: Context) -> str:
        baked.set()
        return "b"

    stages = [flour, replace(dough, run=wait, beside=True), replace(bread, depends_on=("flour",), run=bake)]
    assert run_stages(stages, context) == ["flour", "dough", "bread"]
    assert run_stages(stages, context) == []


@pytest.mark.parametrize("failing", ["dough", "bread"])
def test_a_stage_beside_others_that_fails_and_one_beside_which_another_fails(context: Context, failing: str) -> None:
    def burn(_: Context) -> str:
        raise RuntimeError

    flour, dough, bread = Kitchen().stages()
    stages = [flour, replace(dough, beside=True), replace(bread, depends_on=("flour",))]
    with pytest.raises(RuntimeError):
        run_stages([replace(stage, run=burn) if stage.name == failing else stage for stage in stages], context)
    assert run_stages(stages, context) == [failing]


def test_no_stage_needs_one_that_runs_beside_others() -> None:
    assert not {name for stage in STAGES for name in stage.depends_on} & {s.name for s in STAGES if s.beside}


def test_a_stage_names_what_it_needs_first(context: Context) -> None:
    with pytest.raises(WorkdirError, match="Bread needs dough first"):
        run_stages(Kitchen().stages()[2:], context)


def test_one_builder_at_a_time(context: Context) -> None:
    with FileLock(context.workdir.root / ".lock"), pytest.raises(WorkdirError, match="Another process"):
        run_stages(Kitchen().stages(), context)


def test_what_a_killed_stage_left_is_removed(context: Context) -> None:
    workdir = context.workdir
    left = [
        workdir.root / ".colisten-listening.a1b2c3d4/users.parquet",
        workdir.edges / ".colisten-spill.a1b2c3d4/duckdb_temp_storage",
        workdir.edges / ".colisten-edges.parquet.a1b2c3d4",
        workdir.gnn / ".colisten-items.safetensors.a1b2c3d4",
    ]
    kept = [workdir.edges / "edges.parquet", workdir.gnn / "model.safetensors"]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    run_stages([], context)
    assert [path for path in (*left, *kept) if path.exists()] == kept


def test_a_graph_without_edges_is_told_before_anything_is_built_on_it(context: Context, tmp_path: Path) -> None:
    importer = Importer(tmp_path)
    alone = [event(user_id=user, item_id=item) for user, item in (("a", "book"), ("b", "other"))]
    shared = [event(user_id=user, item_id=item) for user in ("a", "b") for item in ("book", "other")]
    stages = [stage for stage in STAGES if stage.name in ("listening", "edges")]
    fed = replace(context, settings=Settings(), source=str(importer.write(shared).source))
    assert run_stages(stages, fed) == ["listening", "edges"]
    importer.write(alone)
    with pytest.raises(DataError, match="would have no edge"):
        run_stages(stages, fed)
    importer.write(shared)
    assert "edges" in run_stages(stages, fed), "the edges of before are not taken for those that were there last"


def test_a_cadence_lets_new_data_wait_but_not_new_settings(context: Context) -> None:
    weekly = replace(context, settings=Settings(cadence=CadenceSettings(gnn="weekly")))
    state = {"data": 1, "option": 1}
    data, gnn = _stage("listening", lambda: state["data"]), _stage("gnn", lambda: state["option"], "listening")
    run_stages([data, gnn], weekly)
    state["data"] = 2
    assert run_stages([data, gnn], weekly) == ["listening"]
    assert run_stages([data, gnn], weekly) == []
    state["option"] = 2
    assert run_stages([data, gnn], weekly) == ["gnn"]
    state["data"] = 3
    _finished_days_ago(context.workdir, "gnn", 6)
    assert run_stages([data, gnn], weekly) == ["listening"]
    _finished_days_ago(context.workdir, "gnn", 7)
    assert run_stages([data, gnn], weekly) == ["gnn"]


def test_a_cadence_does_not_keep_what_does_not_fit_any_more(context: Context) -> None:
    monthly = replace(context, settings=Settings(cadence=CadenceSettings(towers="monthly")))
    state, fits = {"data": 1}, [True]
    data = _stage("listening", lambda: state["data"])
    towers = replace(_stage("towers", lambda: 0, "listening"), output_exists=lambda _: fits[0])
    run_stages([data, towers], monthly)
    state["data"], fits[0] = 2, False
    assert run_stages([data, towers], monthly) == ["listening", "towers"]


def test_a_graph_that_was_lost_gets_back_what_was_learned(
    neo4j_driver: Driver, neo4j_settings: Settings, tmp_path: Path
) -> None:
    workdir, data, settings = trained(tmp_path / "W")
    context = Context(workdir, settings.model_copy(update={"neo4j": neo4j_settings.neo4j}), Progress(quiet=True), "")
    build_edges(data, settings.graph, workdir.edges, context.progress)
    for name in ("listening", "relations", "towers"):
        write_json(workdir.stages / f"{name}.json", {"digest": name})
    stages = [stage for stage in STAGES if stage.name in ("graph", "item_weights")]
    assert run_stages(stages, context) == ["graph", "item_weights"]
    learned = _item_weights(neo4j_driver)
    assert learned
    assert run_stages(stages, context) == []
    wipe(neo4j_driver)
    time.sleep(1)  # stages are timed in seconds
    assert run_stages(stages, context, force=frozenset(["graph"])) == ["graph", "item_weights"]
    assert _item_weights(neo4j_driver) == learned


def _item_weights(driver: Driver) -> int:
    query = "MATCH ()-[r]->() WHERE type(r) = 'PREDICTS' RETURN count(r) AS n"
    return int(driver.execute_query(query).records[0]["n"])


def _stage(name: str, state: Callable[[], int], *depends_on: str) -> Stage:
    """One whose input and output is a number that a test can change."""
    return Stage(
        name,
        name.title(),
        depends_on=depends_on,
        settings=(),
        other_inputs=lambda _: state(),
        run=lambda _: str(state()),
        output_exists=lambda _: True,
    )


def _finished_days_ago(workdir: Workdir, name: str, days: int) -> None:
    path = workdir.stages / f"{name}.json"
    write_json(path, json.loads(path.read_text()) | {"finished": round(time.time()) - days * 86_400})
