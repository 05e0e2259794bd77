import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from colisten.errors import WorkdirError
from colisten.workdir import (
    FORMAT,
    Workdir,
    draft_folder,
    remove_drafts,
    replacing_file,
    replacing_folder,
    scratch_folder,
    write_json,
)


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


@pytest.mark.parametrize("replacing", [replacing_file, replacing_folder])
def test_only_what_is_of_the_same_kind_is_replaced(tmp_path: Path, replacing: Callable[[Path], Any]) -> None:
    os.mkfifo(tmp_path / "pipe")  # as /dev/stdout may be, or a device
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    other = tmp_path / ("folder" if replacing is replacing_file else "file")
    for path in (tmp_path / "pipe", other):
        before = path.stat()
        with pytest.raises(WorkdirError, match="not replaced"), replacing(path):
            pass
        assert path.stat().st_ino == before.st_ino
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "folder", "file"}


def test_a_folder_that_holds_other_things_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WorkdirError, match="would be lost"), replacing_folder(tmp_path / "mine", "mark"):
        pass
    for _ in range(2):
        with replacing_folder(tmp_path / "empty", "mark") as draft:
            (draft / "mark").touch()
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("replacing", [replacing_file, replacing_folder])
@pytest.mark.parametrize("name", ["x" * 255, "file/below", "/proc/nothing"])
def test_where_nothing_can_be_written_is_one_sentence(
    tmp_path: Path, name: str, replacing: Callable[[Path], Any]
) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(WorkdirError, match=r"cannot be written \(.*\): name another place") as caught,
        replacing(tmp_path / name),
    ):
        pass
    assert "\n" not in str(caught.value)


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


KILLED = """
import os, sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from colisten.workdir import draft_folder, replacing_file, replacing_folder
folder = Path(sys.argv[1])
drafts = replacing_file(folder / "kept.json"), replacing_folder(folder / "made"), draft_folder(folder, "trial")
for draft in drafts:
    draft.__enter__()
os._exit(1)
"""


def test_drafts_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    ours = {".lock", "kept.json"}
    for name in ours:
        (tmp_path / name).touch()
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == len(ours) + 3
    with replacing_file(tmp_path / "kept.json") as draft, replacing_folder(tmp_path / "made") as folder:
        remove_drafts(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == ours | {draft.name, folder.name}, "others are at work"
    assert {path.name for path in tmp_path.iterdir()} == ours | {"made"}


def test_what_a_kill_left_beside_an_output_goes_with_the_next_one(tmp_path: Path) -> None:
    """Outside a working folder: a split, a table of answers. What others name alike stays."""
    others = {".made.20240101", ".kept.json.a1b2c3d4", ".colisten-made too.a1b2c3d4"}
    for name in others:
        (tmp_path / name).mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    with replacing_file(tmp_path / "kept.json"), replacing_folder(tmp_path / "made"), draft_folder(tmp_path, "trial"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == others | {"kept.json", "made"}


def test_a_folder_that_stepped_aside_comes_back_or_goes(tmp_path: Path) -> None:
    for name in (".colisten-gone.old", ".colisten-made.old", "made"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    remove_drafts(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {
        "gone", "gone/.colisten-gone.old", "made", "made/made",
    }  # fmt: skip


def test_scratch_is_private_and_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder() as first, scratch_folder() as second:
        assert first.exists()
        assert first != second
        assert {stat.S_IMODE(path.stat().st_mode) for path in (first, second, first.parent)} == {0o700}
        left = first.parent / ".colisten-scratch.a1b2c3d4"
        left.mkdir()
        with scratch_folder():
            assert not left.exists()
    assert list(first.parent.iterdir()) == []
    first.parent.chmod(0o755)
    with pytest.raises(WorkdirError, match="TMPDIR"), scratch_folder():
        pass


def test_a_draft_that_is_swept_before_it_is_in_use_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process sweeps between the two steps, once."""
    swept: list[Path] = []

    def sweeping(make: Callable[..., Any], *, folder: bool) -> Callable[..., Any]:
        def made(*args: Any, **words: Any) -> Any:
            found = make(*args, **words)
            path = Path(found if folder else found[1])
            if path.parent == tmp_path and len(swept) < 1 + (not folder):
                remove_drafts(tmp_path)
                assert not path.exists()
                swept.append(path)
            return found

        return made

    monkeypatch.setattr(tempfile, "mkdtemp", sweeping(tempfile.mkdtemp, folder=True))
    monkeypatch.setattr(tempfile, "mkstemp", sweeping(tempfile.mkstemp, folder=False))
    with draft_folder(tmp_path, "folder") as draft:
        (draft / "a").touch()
    with replacing_file(tmp_path / "file") as draft:
        draft.write_text("whole")
    assert len(swept) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
