"""Lists of users are read however they are written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.cli.user_list import ids_in, shard_of
from colisten.errors import DataError, SettingsError

ids = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=6)
    | st.text(",\"'\n;| u", min_size=1, max_size=4),
    min_size=1,
    max_size=6,
).map(lambda found: [one.strip(" ") for one in found if one.strip(" ")])


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@given(users=ids)
def test_what_a_split_writes_is_read(users: list[str], header: bool, encoding: str) -> None:
    if users[:1] == ["user_id"]:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.csv"
        pl.DataFrame({"user_id": users}, schema={"user_id": pl.String}).write_csv(path, include_header=header)
        path.write_bytes(path.read_text("utf-8").encode(encoding))
        assert ids_in(path) == users


@pytest.mark.parametrize(
    ("text", "expected"),
    [("u1\nu2\n\n  \nu3", ["u1", "u2", "u3"]), ("u1 \r\n u2\r\n", ["u1", "u2"]), ("u1\ru2\r", ["u1", "u2"]),
     ("user_id\nu1\n", ["u1"]), ('"user_id"\n"u1"\n"u""2"\n', ["u1", 'u"2']),
     ("age;user_id\n3;u1\n4;u2\n", ["u1", "u2"]),
     ("user_id,age\nu1,3\n,4\nu2\n", ["u1", "u2"]), ("a,b\nc;d\n", ["a,b", "c;d"]),
     ("User_ID\nu1\n", ["u1"]),
     ("12\" vinyl\nu\n", ['12" vinyl', "u"]), ('"a,b"\nc,d\n', ["a,b", "c,d"]), ("", [])],
)  # fmt: skip
def test_lists_of_people_and_spreadsheets(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "users.csv").write_bytes(text.encode())
    assert ids_in(tmp_path / "users.csv") == expected


@pytest.mark.parametrize("content", ["ü\n".encode("latin-1"), b"\xff\xfeu\0\n", b'u1\n"u2\nu3\n'])
def test_other_encodings_and_open_quotes_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "users.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"users\.csv (is not UTF-8|cannot be read near line \d)") as caught:
        ids_in(tmp_path / "users.csv")
    assert "\n" not in str(caught.value)


@given(users=ids, count=st.integers(1, 9))
def test_shards_are_disjoint_nearly_equal_and_complete(users: list[str], count: int) -> None:
    shards = [shard_of(users, f"{place}/{count}") for place in range(1, count + 1)]
    assert [user for shard in shards for user in shard] == list(dict.fromkeys(users))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_a_shard_that_does_not_exist(shard: str) -> None:
    with pytest.raises(SettingsError, match="like 3/8"):
        shard_of(["u"], shard)
