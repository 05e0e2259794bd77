"""Rules as a curator sets them, and answers as a listener gets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from colisten.cli.main import cli
from colisten.errors import SettingsError
from colisten.listening.data import ListeningData
from colisten.settings import Settings
from colisten.workdir import Workdir


@pytest.fixture
def workdir(world: tuple[Workdir, ListeningData, Settings], tmp_path: Path) -> Path:
    """A copy of the served folder, whose rules may change."""
    shutil.copytree(world[0].root, tmp_path / "W")
    return tmp_path / "W"


def call(workdir: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--workdir", str(workdir)])


def rows(workdir: Path, *words: str) -> list[dict[str, object]]:
    answer = call(workdir, *words, "--json")
    assert answer.exit_code == 0, answer.output
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_lists_and_boosts_hold_in_the_next_answer_until_they_are_taken_back(
    workdir: Path, world: tuple[Workdir, ListeningData, Settings]
) -> None:
    genres = dict(world[1].items.select("item_id", "genres").rows())
    asked = ("recommend", "u5", "-k", "30")
    before = rows(workdir, *asked)
    last = str(before[-1]["item_id"])
    assert call(workdir, "rules", "add", "deny", "genre", "CRIME", "--user", "u5").exit_code == 0
    assert call(workdir, "rules", "add", "boost", "item", last, "--by", "999").exit_code == 0
    assert {"rule": "boost", "field": "item", "value": last, "amount": 999} in rows(workdir, "rules", "list")
    after, others = rows(workdir, *asked), rows(workdir, "recommend", "u6", "-k", "30")
    assert not any("crime" in (genres[str(row["item_id"])] or ()) for row in after)
    assert any("crime" in (genres[str(row["item_id"])] or ()) for row in others)
    assert others[0]["item_id"] == last or last not in {row["item_id"] for row in others}
    assert len(after) == 30
    out = workdir.parent / "answers.parquet"
    (workdir.parent / "users.csv").write_text("u5\nu6\n")
    bulk = ("recommend", "--users", str(workdir.parent / "users.csv"), "-k", "30", "--out", str(out))
    assert call(workdir, *bulk).exit_code == 0
    assert pl.read_parquet(out)["item_id"].to_list() == [row["item_id"] for row in (*after, *others)]
    assert call(workdir, "rules", "remove", "deny", "genre", "CRIME", "--user", "u5").exit_code == 0
    assert call(workdir, "rules", "remove", "boost", "item", last).exit_code == 0
    assert (rows(workdir, "rules", "list"), rows(workdir, *asked)) == ([], before)


def test_a_misspelt_rule_is_refused_with_the_nearest_name(workdir: Path) -> None:
    answer = call(workdir, "rules", "add", "deny", "genre", "crme")
    assert isinstance(answer.exception, SettingsError)
    assert str(answer.exception) == "There is no genre 'crme': did you mean 'crime'?"
    assert call(workdir, "rules", "add", "boost", "genre", "crime").exit_code == 2
    assert rows(workdir, "rules", "list") == []


def test_types_with_quotas_are_one_answer(workdir: Path) -> None:
    kinds = [row["item_type"] for row in rows(workdir, "recommend", "u5", "--types", "audiobook:3,short:2", "-k", "9")]
    assert len(kinds) == 9
    assert (kinds.count("audiobook") >= 3, kinds.count("short") >= 2, kinds.count("podcast")) == (True, True, 0)
    answer = call(workdir, "recommend", "u5", "--types", "audiobook:8,short:8")
    assert isinstance(answer.exception, SettingsError)
