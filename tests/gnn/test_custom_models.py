"""Any PyG model in the place of the built-in one: trained, resumed, embedded; and what does not fit is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer

from colisten.errors import SettingsError, WorkdirError
from colisten.gnn.embedding import embed, embed_items
from colisten.gnn.model import ModelSpec
from colisten.gnn.model_files import load_model
from colisten.gnn.model_source import source_digest
from colisten.gnn.training import train_gnn
from colisten.gnn.training_log import EpochReport
from colisten.graph_store.edge_type import CO_LISTENED
from colisten.progress import Progress
from colisten.settings import GnnSettings, Settings
from tests.gnn import worlds
from tests.pages import put_on_path

QUIET = Progress(quiet=True)
HERE = "tests.gnn.custom_models"
MODELS = ("HGT", "GAT", "Trimmed")


def _options(name: str, **changes: object) -> GnnSettings:
    return GnnSettings.model_validate(worlds.QUICK.model_dump() | {"model": f"{HERE}:{name}"} | changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_two_communities_are_told_apart(tmp_path: Path, name: str) -> None:
    _check_communities(_options(name), tmp_path)


@pytest.mark.slow
def test_the_model_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_path("loader.md", "my_models.py", tmp_path, monkeypatch)
    _check_communities(_options("", model="my_models:MyModel"), tmp_path / "gnn")


def _check_communities(options: GnnSettings, folder: Path) -> None:
    adjacency, text, community = worlds.cliques(extra=6)
    train_gnn(adjacency, text, options, seed=1, folder=folder, progress=QUIET)
    vectors = embed_items(adjacency, text, folder, QUIET)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    scores, together = vectors @ vectors.T, community[:, None] == community
    assert scores[together].mean() > scores[~together].mean() + 0.5
    assert np.array_equal(embed(adjacency, text, folder, QUIET), vectors), "the same draws for the same seed"


class KilledError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_killed_run_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    adjacency, text, _ = worlds.cliques(12)
    options = _options(name, max_epochs=4)
    whole = train_gnn(adjacency, text, options, seed=1, folder=tmp_path / "whole", progress=QUIET)
    original = EpochReport.on_train_epoch_start

    def killed(self: EpochReport, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 2:
            raise KilledError
        original(self, trainer, pl_module)

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(EpochReport, "on_train_epoch_start", killed)
        train_gnn(adjacency, text, options, seed=1, folder=tmp_path / "killed", progress=QUIET)
    resumed = train_gnn(adjacency, text, options, seed=1, folder=tmp_path / "killed", progress=QUIET)
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_model_of_another_class_begins_anew(tmp_path: Path) -> None:
    adjacency, text, _ = worlds.cliques(12)
    for name in ("HGT", "GAT"):
        options = _options(name, max_epochs=1)
        train_gnn(adjacency, text, options, seed=1, folder=tmp_path, progress=QUIET, lineage="a")
        assert load_model(tmp_path, adjacency)[1].model == f"{HERE}:{name}"


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (f"{HERE}:TakesNothing", "raised TypeError"),
        (f"{HERE}:ReturnsATensor", "returns Tensor; return a dict"),
        (f"{HERE}:ForgetsAType", "no tensor for the node type 'podcast'"),
        (f"{HERE}:TooWide", r"returns \(2, 36\) for 2 seeds"),
        (f"{HERE}:LosesSeeds", r"returns \(1, 16\) for 2 seeds"),
        (f"{HERE}:WantsMore", "forward.* raised TypeError"),
        (f"{HERE}:NotAClass", "no nn.Module named 'NotAClass'"),
        (f"{HERE}:Nonesuch", "no nn.Module named 'Nonesuch'"),
        ("nonesuch.models:HGT", "no module 'nonesuch.*PYTHONPATH"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(model: str, sentence: str) -> None:
    spec = ModelSpec(model, worlds.TYPES, (CO_LISTENED,), 4, 16, (3, 3), "mean", 1)
    with pytest.raises(SettingsError, match=sentence) as error:
        spec.build()
    assert "\n" not in str(error.value)
    assert model in str(error.value)


@pytest.mark.parametrize("model", ["gat", "mine.GAT", "mine:GAT:more", ":GAT", "mine:", "../mine:GAT"])
def test_a_setting_that_names_no_class_is_refused(model: str) -> None:
    with pytest.raises(SettingsError, match=r"gnn\.model"):
        Settings.load([f"gnn.model={model}"])


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    adjacency, text, _ = worlds.cliques(12)
    train_gnn(adjacency, text, _options("HGT", max_epochs=1), seed=1, folder=tmp_path, progress=QUIET)
    about = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(about.replace(":HGT", ":Trimmed"))
    with pytest.raises(WorkdirError, match="not those of"):
        load_model(tmp_path, adjacency)


def test_a_change_of_the_class_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine_to_change.py").write_text("A = 1\n")
    before = source_digest("mine_to_change:Model")
    (tmp_path / "mine_to_change.py").write_text("A = 2\n")
    assert before != source_digest("mine_to_change:Model") != ""
    assert source_digest("sage") == source_digest("nonesuch.models:Model") == ""
