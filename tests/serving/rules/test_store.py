"""Rules set by one process hold in every other from its next answer on, and outlive whoever set them."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from colisten.errors import SettingsError, WorkdirError
from colisten.serving.rules.store import Rule, RuleKey, RuleStore

ADDING = """
import sys
from pathlib import Path
from colisten.serving.rules.store import Rule, RuleStore
store = RuleStore(Path(sys.argv[1]))
for place in range(int(sys.argv[3])):
    store.add([Rule("deny", "item", f"{sys.argv[2]}{place}")])
    print(place, flush=True)
"""


def adding(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADDING, str(path), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_a_reader_sees_each_change_of_another_process_and_none_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rules.sqlite"
    store, seen = RuleStore(path), set()
    assert (store.version(), store.rules()) == (0, [])
    with adding(path, "a", 5) as writer:
        assert writer.stdout is not None
        for place, _ in enumerate(writer.stdout):
            assert Rule("deny", "item", f"a{place}") in store.rules()
            seen.add(store.version())
    assert store.version() == store.version()
    assert len(store.rules()) == 5
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.close()


def test_what_was_acknowledged_is_there_after_a_kill_whoever_writes_beside(tmp_path: Path) -> None:
    path = tmp_path / "rules.sqlite"
    with adding(path, "killed", 10_000) as killed, adding(path, "other", 30) as other:
        assert killed.stdout is not None
        acknowledged = [int(killed.stdout.readline()) for _ in range(20)]
        killed.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in killed.stdout if line.endswith("\n")]
        assert other.wait(60) == 0
    found = {rule.value for rule in RuleStore(path).rules()}
    assert {f"killed{place}" for place in acknowledged} | {f"other{place}" for place in range(30)} <= found


def test_all_or_none(tmp_path: Path) -> None:
    store = RuleStore(tmp_path / "rules.sqlite")
    boost = Rule("boost", "genre", "crime", amount=0.5)
    assert store.add([boost, Rule("withdraw", "item", "a"), Rule("deny", "item", "a", "ana")]) == 3
    assert store.add([boost, Rule("boost", "genre", "crime", amount=0.7)]) == 1
    assert [rule.amount for rule in store.rules() if rule.kind == "boost"] == [0.7]
    with pytest.raises(WorkdirError):
        store.add([Rule("deny", "item", "b"), Rule("deny", "item", sqlite3.Binary(b"\0"), [])])  # type: ignore[arg-type]
    assert not any(rule.value == "b" for rule in store.rules())
    assert store.forget("ana") == 1
    assert {rule.user_id for rule in store.rules()} == {""}
    assert b"ana" not in (tmp_path / "rules.sqlite").read_bytes()
    assert store.remove([RuleKey("withdraw", "item", "a"), RuleKey("withdraw", "item", "b")]) == 1


def test_a_first_writer_that_was_killed_leaves_no_rule(tmp_path: Path) -> None:
    (tmp_path / "rules.sqlite").touch()
    assert RuleStore(tmp_path / "rules.sqlite").rules() == []
    (tmp_path / "rules.sqlite").write_text("this is no database, and long enough to be read as one")
    with pytest.raises(WorkdirError):
        RuleStore(tmp_path / "rules.sqlite").rules()


@pytest.mark.parametrize(
    "rule",
    [
        ("withdraw", "genre", "crime"), ("deny", "colour", "red"), ("forbid", "item", "a"), ("deny", "item", ""),
        ("boost", "item", "a"), ("boost", "item", "a", "", -1.0), ("boost", "item", "a", "ana", 1.0),
        ("boost", "item", "a", "", float("nan")), ("withdraw", "item", "a", "ana"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_one_sentence(rule: tuple[str, str, str]) -> None:
    with pytest.raises(SettingsError):
        Rule(*rule)  # type: ignore[arg-type]
