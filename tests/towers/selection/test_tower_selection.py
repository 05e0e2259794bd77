"""What validation selected stands for a while: read back as it was, and only where little has changed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from colisten.listening.data import ListeningData
from colisten.pipeline import towers
from colisten.pipeline.records import write_record
from colisten.pipeline.stage import Context, own_digest
from colisten.progress import Progress
from colisten.settings import CadenceSettings, Settings, TowersSettings
from colisten.towers.selection.tower_selection import Circumstances, TowerSelection, read_selection
from colisten.towers.selection.two_tower_search import TwoTowerSearch
from colisten.towers.training import circumstances, train_towers
from colisten.workdir import Workdir
from tests.towers import worlds

SETTINGS = Settings(
    target="book",
    towers=TowersSettings(hidden=(16,), dim=8, batch_size=128, epochs=3, learning_rate=1e-2, minutes=0.05),
)


def trained(workdir: Workdir, standing: TowerSelection | None = None) -> TowerSelection:
    data, text = ListeningData(workdir.listening), np.random.default_rng(1).normal(size=(48, 6)).astype(np.float32)
    embeddings = np.random.default_rng(5).normal(size=(len(data.items), 4)).astype(np.float32)
    with Progress(quiet=True) as progress:
        return train_towers(
            data, text[: len(data.items)], embeddings, lambda _: embeddings, SETTINGS, workdir.towers, progress,
            standing=standing,
        )  # fmt: skip


@pytest.fixture
def workdir(tmp_path: Path) -> Workdir:
    workdir = Workdir.open(tmp_path / "work", create=True)
    worlds.clustered(workdir.listening, types=("book", "pod"))
    return workdir


def test_it_is_read_back_and_trained_by_without_a_search(workdir: Workdir, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_selection(workdir.towers) is None
    selection = trained(workdir)
    assert 1 <= selection.epochs <= SETTINGS.towers.epochs
    assert read_selection(workdir.towers) == selection
    monkeypatch.delattr(TwoTowerSearch, "choose")
    assert trained(workdir, standing=selection) == selection == read_selection(workdir.towers)
    (workdir.towers / "spec.json").write_text(json.dumps({"chosen": {"linear": 3}}))
    assert read_selection(workdir.towers) is None


def test_it_stands_for_a_week_where_settings_and_data_are_much_the_same(workdir: Workdir) -> None:
    progress, now = Progress(quiet=True), circumstances(ListeningData(workdir.listening), {"same_series": None})  # type: ignore[dict-item]
    context = Context(workdir, SETTINGS, progress, "")

    def stands(made: Circumstances, context: Context = context) -> bool:
        spec["chosen"]["made"] = vars(made)
        (workdir.towers / "spec.json").write_text(json.dumps(spec))
        return towers._standing(context, now) is not None

    trained(workdir)
    spec = json.loads((workdir.towers / "spec.json").read_text())
    assert not stands(now), "no finished stage vouches for it"
    write_record(workdir, "towers", {"own": own_digest(towers.STAGE, context)}, ())
    assert stands(now)
    today = date.fromisoformat(now.day)
    assert stands(replace(now, day=str(today - timedelta(days=6))))
    assert not stands(replace(now, day=str(today - timedelta(days=7))))
    assert stands(replace(now, interactions=round(now.interactions / 1.09)))
    assert not stands(replace(now, interactions=round(now.interactions / 1.11)))
    assert not stands(replace(now, item_types=("book", "album")))
    assert not stands(replace(now, relations=()))
    always = SETTINGS.model_copy(update={"cadence": CadenceSettings(selection="always")})
    assert not stands(now, replace(context, settings=always))
    other = SETTINGS.model_copy(update={"seed": 3})
    assert not stands(now, replace(context, settings=other))
