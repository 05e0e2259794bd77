from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from colisten.errors import SettingsError
from colisten.relations import BUILT_IN
from colisten.settings import RelationSettings, Settings, as_word, keys
from colisten.workdir import write_json


def test_the_strongest_source_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(
        tmp_path / "kept.json", {"seed": 1, "gnn": {"dim": 8, "batch_size": 16, "max_epochs": 2}, "target": "podcast"}
    )
    Path("colisten.toml").write_text("seed = 2\n[gnn]\ndim = 9\nbatch_size = 17\n")
    monkeypatch.setenv("COLISTEN_SEED", "3")
    monkeypatch.setenv("COLISTEN_GNN_DIM", "10")
    settings = Settings.load(["seed=4"], kept=tmp_path / "kept.json")
    assert (settings.seed, settings.gnn.dim, settings.gnn.batch_size) == (4, 10, 17)
    assert (settings.gnn.max_epochs, settings.target) == (2, "podcast")


def test_names_are_given_with_commas() -> None:
    settings = Settings.load(["signals.strong=purchase", "signals.weak=coupon, campaign", "gnn.fan_out=5,3"])
    assert settings.signals.used == ("purchase", "coupon", "campaign")
    assert settings.gnn.fan_out == (5, 3)


@given(st.lists(st.text(), min_size=1))
@example(["play, full"])
@example(["[1]"])
def test_any_names_can_be_given_in_one_word(names: list[str]) -> None:
    assert Settings.load([f"signals.strong={as_word(names)}"]).signals.strong == tuple(names)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gnn.dmi=3", "did you mean 'gnn.dim'"),
        ("targt=movie", "did you mean 'target'"),
        ("gnn.dim=wide", "'gnn.dim' cannot be used"),
        ("gnn.validation=0.9", "'gnn.validation' cannot be used"),
        ("towers.parts=tower,linear", "'towers.parts.0' cannot be used"),
        ("towers.parts=,", "'towers.parts' cannot be used"),
        ("seed", "key=value"),
    ],
)
def test_a_wrong_setting_is_one_sentence(word: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load([word])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_relations_are_words_with_options() -> None:
    words = "same_series, same_creator:20,sequel_of:directed,editors_list:graph_only:5"
    relations = Settings.load([f"graph.relations={words}"]).graph.relations
    assert relations == (
        RelationSettings(name="same_series"), RelationSettings(name="same_creator", cap=20),
        RelationSettings(name="sequel_of", directed=True),
        RelationSettings(name="editors_list", cap=5, graph_only=True),
    )  # fmt: skip
    assert [relation.built_in for relation in relations] == [True, True, False, False]
    assert Settings.load(["graph.relations="]).graph.relations == ()
    assert [str(relation) for relation in Settings().graph.relations] == [*BUILT_IN[1:]]
    assert Settings.usual("paper").graph.relations == ()


names = st.lists(st.sampled_from(["same_series", "similar_text", "sequel_of", "list_a", "b2"]), unique=True)


@given(names=names, cap=st.integers(1, 99), directed=st.booleans(), graph_only=st.booleans())
def test_relations_are_kept_as_they_are_written(names: list[str], cap: int, directed: bool, graph_only: bool) -> None:
    relations = tuple(
        RelationSettings(name=name, cap=cap, directed=directed and name not in BUILT_IN, graph_only=graph_only)
        for name in names
    )
    words = ",".join(map(str, relations))
    settings = Settings.load([f"graph.relations={words}"])
    assert settings.graph.relations == relations
    assert settings.to_keep() == {"graph": {"relations": [str(relation) for relation in relations]}}
    assert Settings.model_validate(settings.to_keep()) == settings


@pytest.mark.parametrize(
    ("words", "said"),
    [("sequel_of:direct", "cannot be read at 'direct'"), ("a:1:2", "'2'"), ("a:directed:directed", "'directed'"),
     ("a:-1", "'-1'"), ("a:0", "greater than or equal to 1"), ("Sequel", "small letters"), ("a,a", "told apart"),
     ("same", "told apart"), ("same_series:directed", "same both ways"), ("co_listened", "graph.top_k"),
     ("text", "taken"), ("weak_1", "taken")],
)  # fmt: skip
def test_a_relation_that_cannot_be_is_one_sentence(words: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load([f"graph.relations={words}"])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secrets_and_addresses_are_never_kept() -> None:
    settings = Settings.load(["neo4j.uri=bolt://db", "neo4j.password=hush", "qdrant.api_key=hush", "seed=9"])
    assert "hush" not in repr(settings)
    kept = settings.to_keep()
    assert "hush" not in str(kept)
    assert "bolt" not in str(kept)
    assert kept["seed"] == 9


def test_an_empty_secret_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("NEO4J_PASSWORD", "NEO4J_URI", "QDRANT_API_KEY", "QDRANT_URL", "SERVE_API_KEY"):
        monkeypatch.setenv(f"COLISTEN_{key}", " ")
    settings = Settings.load()
    assert (settings.neo4j.password, settings.qdrant.api_key, settings.serve.api_key) == (None, None, None)
    assert (settings.neo4j.uri, settings.qdrant.url) == (None, None)


def test_every_key_has_a_place() -> None:
    assert {"target", "signals.strong", "gnn.fan_out", "neo4j.uri", "qdrant.url"} <= set(keys())


def test_a_recipe_ranks_below_what_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "kept.json", {"recipe": "paper", "gnn": {"max_epochs": 2}})
    monkeypatch.setenv("COLISTEN_GNN_PATIENCE", "3")
    settings = Settings.load(["gnn.aggregate=mean"], kept=tmp_path / "kept.json")
    assert (settings.gnn.loss, settings.graph.top_k, settings.towers.parts) == ("margin", 0, ("towers",))
    assert (settings.gnn.aggregate, settings.gnn.max_epochs, settings.gnn.patience) == ("mean", 2, 3)
    assert Settings.load([], kept=None).gnn.loss == "softmax"
    assert Settings.load(["recipe=default"], kept=tmp_path / "kept.json").gnn.loss == "softmax"


def test_of_a_recipe_only_what_differs_from_it_is_kept(tmp_path: Path) -> None:
    kept = Settings.load(["recipe=paper", "gnn.aggregate=mean", "gnn.loss=margin", "seed=9"]).to_keep()
    assert kept == {"recipe": "paper", "seed": 9, "gnn": {"aggregate": "mean"}}
    write_json(tmp_path / "kept.json", kept)
    assert Settings.load(kept=tmp_path / "kept.json").to_keep() == kept


def test_an_unknown_recipe_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match="'recipe' cannot be used"):
        Settings.load(["recipe=theirs"])


@pytest.mark.parametrize(("variable", "said"), [("COLISTEN_GNN_DMI", "gnn.dim"), ("COLISTEN_TARGT", "target")])
def test_a_variable_that_means_nothing_is_told(variable: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(SettingsError, match=f"did you mean '{said}'"):
        Settings.load()


def test_a_variable_names_its_section_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLISTEN_NEO4J_BOLT_PORT", "7001")
    monkeypatch.setenv("COLISTEN_WORKDIR", "somewhere")
    assert Settings.load().neo4j.bolt_port == 7001


def test_a_toml_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("colisten.toml").write_text("seed = = 3")
    with pytest.raises(SettingsError, match=r"colisten\.toml cannot be read"):
        Settings.load()


@pytest.mark.parametrize(
    ("word", "says"),
    [("seed=-1", "greater than or equal to 0"), ("seed=99999999999", "2,147,483,647 is the largest"),
     ("gnn.fan_out=3,99999999999", "2,147,483,647 is the largest"), ("towers.minutes=inf", "finite number"),
     ("towers.learning_rate=nan", "finite number"), ("neo4j=3", "'neo4j' is a group of settings"),
     ("neo4j.password.x=3", "no setting 'neo4j.password.x'"), ("=", "no setting ''"), (".=3", "no setting ''")],
)  # fmt: skip
def test_numbers_and_names_that_are_none(word: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        Settings.load([word])
    assert "\n" not in str(caught.value)
