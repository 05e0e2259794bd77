import json
from pathlib import Path

import pytest

from colisten.errors import WorkdirError
from colisten.workdir import FORMAT, Workdir, remove_drafts, replacing_file, replacing_folder, write_json


def test_a_new_folder_is_stamped_and_found_again(tmp_path: Path) -> None:
    Workdir.open(tmp_path / "w", create=True)
    assert Workdir.open(tmp_path / "w").root == tmp_path / "w"


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "colisten.json", {"format": FORMAT + 1})
    with pytest.raises(WorkdirError, match=rf"another version of Colisten \(format {FORMAT + 1}"):
        Workdir.open(tmp_path, create=True)


def test_a_missing_folder_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkdirError, match="not a Colisten working folder"):
        Workdir.open(tmp_path / "none")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(WorkdirError, match="empty or new"):
        Workdir.open(tmp_path, create=True)


def test_a_draft_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), replacing_file(path) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    for text in ("old", "new"):
        with replacing_folder(folder) as draft:
            (draft / text).write_text(text)
    assert [path.name for path in folder.iterdir()] == ["new"]
    with pytest.raises(RuntimeError), replacing_folder(folder) as draft:
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_drafts_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    ours = {".lock", "kept.json"}
    for name in ours:
        (tmp_path / name).touch()
    drafts = replacing_file(tmp_path / "kept.json"), replacing_folder(tmp_path / "made")
    for draft in drafts:
        draft.__enter__()  # and never left: as after a kill
    assert len(list(tmp_path.iterdir())) == len(ours) + len(drafts)
    remove_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == ours
