from pathlib import Path

import pytest
from filelock import FileLock

from colisten.errors import WorkdirError
from colisten.progress import Progress
from colisten.serving.cli.stages import Context, Stage, run_stages
from colisten.settings import Settings
from colisten.workdir import Workdir


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
        return [
            Stage(
                name,
                name.title(),
                tuple(names[i - 1 : i]),
                lambda _, name=name: self.inputs[name],
                lambda _, name=name: self.results[name],
                lambda _: self.there,
            )
            for i, name in enumerate(names)
        ]


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
        run_stages([stages[0], Stage("dough", "Dough", ("flour",), lambda _: 1, burn, lambda _: True)], context)
    assert run_stages(stages, context) == ["dough", "bread"]


def test_a_stage_names_what_it_needs_first(context: Context) -> None:
    with pytest.raises(WorkdirError, match="Bread needs dough first"):
        run_stages(Kitchen().stages()[2:], context)


def test_one_builder_at_a_time(context: Context) -> None:
    with FileLock(context.workdir.root / ".lock"), pytest.raises(WorkdirError, match="Another process"):
        run_stages(Kitchen().stages(), context)
