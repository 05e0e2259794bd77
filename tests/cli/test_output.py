"""What commands print: data as it is, on any terminal, into any pipe."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from colisten.cli.output import show
from colisten.letters import escape_unknown_letters
from colisten.progress import Progress
from tests.cli.conftest import command
from tests.listening.sources import Importer, event

ODD = ("[/x]", "[unabridged] Talk", "\x1b[31mred", "a\rb", "\x9b2J", "café", "播客 :heart:", "[link=https://x]y[/link]")
PIPES = [["--help"], ["config", "--json"], ["config", "--csv"], ["config", "--table"], ["config", "--wrong"]]


def ended(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "200"} | variables
    done = subprocess.run(command(*words), env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_a_table_shows_every_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"title": text} for text in ODD], "table")
    for text in ODD:
        show([{text: "a title"}], "table")
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "\r" not in shown
    for text in ("[/x]", "[unabridged] Talk", "�[31mred", "a b", ":heart:", "[link=https://x]y[/link]"):
        assert shown.count(text) == 2, text


def test_json_steers_no_terminal_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"title": text, text: [{"\u202e": "\u2066"}]} for text in (*ODD, "\x85\x7f\\u009b")]
    show(rows, "json")
    said = capsys.readouterr().out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    assert [json.loads(line) for line in said.splitlines()] == rows
    assert "café" in said


def test_progress_shows_every_text_as_it_is() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=300)
    with Progress() as progress:
        progress._console = terminal
        for text in ODD:
            progress.say(text)
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    assert "\x1b[31mred" not in shown
    for text in ("[/x]", "[unabridged] Talk", ":heart:", "[link=https://x]y[/link]"):
        assert text in shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding_of_stdout_will_do(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for style in ("json", "csv", "table"):
        stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr("sys.stdout", stdout)
        escape_unknown_letters()
        show([{"播客": text} for text in ODD], style)
        stdout.seek(0)
        if style == "json":
            assert [json.loads(line) for line in stdout] == [{"播客": text} for text in ODD]
        assert stdout.seek(0, io.SEEK_END) > 0


def test_a_letter_that_cannot_be_written_is_one_in_json() -> None:
    done = ended("config", "--json", PYTHONIOENCODING="ascii", COLISTEN_TARGET="é播😀")
    values = {row["key"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    assert values["target"] == "é播😀"


@pytest.mark.parametrize("words", PIPES, ids=" ".join)
@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout and stderr"])
def test_a_reader_that_goes_is_no_error(words: list[str], both: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            command(*words), stdout=writing, stderr=writing if both else subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    usage = "--wrong" in words and not both
    assert done.returncode == (2 if usage else 141)
    assert both or usage or done.stderr == ""


def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command("config"), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 7
    assert done.stderr.count("\n") == 1


def test_a_full_disk_behind_stderr_is_told_by_the_code() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command("config", "--set", "x=1"), stderr=full, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "<&-", ">&-", "2>&-"])
def test_a_stream_that_is_closed_leads_nowhere(closed: str, tmp_path: Path) -> None:
    """No file takes its number, and errors do not turn up among data."""
    out = tmp_path / "out"
    for words, code in ((["config", "--json"], 0), (["config", "--set", "x=1"], 2), (["data", "check", "x"], 3)):
        line = f"{shlex.join(command(*words))} >{out} {closed}; exit $?"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "Error" not in out.read_text()
        assert ("Error" in done.stderr) == (code > 0 and "2>" not in closed)
        assert ("target" in out.read_text()) == (code == 0 and ">&- " not in f"{closed} ".replace("2>&-", ""))


def test_arguments_and_variables_that_are_no_utf8(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    calls: list[tuple[list[str], dict[str, Any]]] = [
        (["search", odd, "-w", str(tmp_path)], {}),
        (["recommend", "--likes", odd], {}),
        (["config", "--set", f"target={odd}"], {}),
        (["config"], {"COLISTEN_TARGET": odd}),
    ]
    for words, variables in calls:
        done = ended(*words, **variables)
        assert done.returncode == 2
        assert "is not valid UTF-8" in done.stderr
        assert done.stdout == ""


def test_paths_beyond_ascii_in_any_locale(tmp_path: Path) -> None:
    """Where Python is told to read names as ASCII, too."""
    importer = Importer(tmp_path)
    importer.write([event(user_id="ü")])
    source = importer.source.rename(tmp_path / "dätä [1]")
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = ended("data", "check", str(source), "--json", **variables)
    assert done.returncode == 0, done.stderr
    listeners = [row["what"] for row in map(json.loads, done.stdout.splitlines()) if row["about"] == "listeners"]
    assert listeners == ["ü"]
    done = ended("data", "split", str(source), str(tmp_path / "süß"), "--holdout", "0.5", **variables)
    assert "Traceback" not in done.stderr
    assert (tmp_path / "süß" / "split.json").exists() or done.returncode == 3


def test_an_error_sentence_steers_no_terminal() -> None:
    done = ended("config", "--set", "\x1b[31m=3")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [["recommend", "u", "--exploration", "nan"], ["recommend", "u", "--diversity", "-inf"],
     ["tune", "--minutes", "nan"], ["tune", "--minutes", "inf"], ["data", "split", "a", "b", "--days", "nan"],
     ["recommend", "u", "-k", "9" * 40],
     ["data", "synth", "a", "--per-user", "1e300"], ["data", "synth", "a", "--seed", "-1"]],
    ids=" ".join,
)  # fmt: skip
def test_numbers_that_are_none(words: list[str], tmp_path: Path) -> None:
    done = ended(*words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Error: Invalid value for ")
