"""What `colisten data check` and `colisten data split` print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from colisten.cli.data import data
from tests.listening.sources import Importer, event


@pytest.fixture
def source(tmp_path: Path) -> Path:
    importer = Importer(tmp_path)
    events = [event(user_id=user, item_id=item, timestamp=1_700_000_000 + day * 86_400)
              for user in ("nan", "u") for item, day in (("book", 0), ("other", 9))]  # fmt: skip
    return importer.write(events).source


def printed(*words: object) -> list[dict[str, Any]]:
    done = CliRunner().invoke(data, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_check_shows_dates_as_dates_and_warnings_as_sentences(source: Path) -> None:
    rows = printed("check", source, "--json")
    found = {(row["about"], row["what"]): row["figure"] for row in rows}
    assert (found["first", ""], found["last", ""]) == ("2023-11-14 22:13:20", "2023-11-23 22:13:20")
    assert found["listeners", "nan"] == 2
    warnings = [row["what"] for row in rows if row["about"] == "warning"]
    assert warnings == ["2 interactions have the user_id 'nan': leave out those whose user_id is missing."]


def test_a_split_says_when_it_cuts(source: Path, tmp_path: Path) -> None:
    (summary,) = printed("split", source, tmp_path / "S", "--days", 2)
    assert (summary["cut"], summary["cut_time"]) == (1_700_604_800, "2023-11-21 22:13:20")
    (summary,) = printed("split", source, tmp_path / "S", "--holdout", 0.5, "--cold", 0)
    assert "cut_time" not in summary
