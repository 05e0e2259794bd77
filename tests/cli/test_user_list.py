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
from colisten.listening.values import BLANKS

ids = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=6)
    | st.text(",\"'\n;| u", min_size=1, max_size=4),
    min_size=1,
    max_size=6,
).map(lambda found: [one.strip(BLANKS) for one in found if one.strip(BLANKS)])


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
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
     ("age|user_id\n3|u1\n", ["u1"]), ("sep=;\r\nage;user_id\r\n3;u1\r\n", ["u1"]),
     ("\tu1\t\n\u200bu2\u00a0\n\u2060\n", ["u1", "u2"]),
     ("User_ID\nu1\n", ["u1"]),
     ("12\" vinyl\nu\n", ['12" vinyl', "u"]), ('"a,b"\nc,d\n', ["a,b", "c,d"]), ("", [])],
)  # fmt: skip
def test_lists_of_people_and_spreadsheets(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "users.csv").write_bytes(text.encode())
    assert ids_in(tmp_path / "users.csv") == expected


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_encodings_without_a_mark_are_known_by_their_zeros(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "users.csv").write_bytes("user_id\nu1\nü\n".encode(encoding))
    assert ids_in(tmp_path / "users.csv") == ["u1", "ü"]


def test_a_parquet_file_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "[users].parquet"
    pl.DataFrame({"age": [1, 2, 3], "user_id": ["u1", None, " u2 "]}).write_parquet(path)
    assert ids_in(path) == ["u1", "u2"]
    pl.DataFrame({"USER_ID": [7, 8]}).write_parquet(path)
    assert ids_in(path) == ["7", "8"]
    for broken in (pl.DataFrame({"id": ["u1"]}), pl.DataFrame({"user_id": [["u1"]]})):
        broken.write_parquet(path)
        with pytest.raises(DataError, match=r"\[users\]\.parquet (has no|cannot be)") as caught:
            ids_in(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        ids_in(path)


@given(content=st.binary(max_size=40) | st.text('u"\n,;\0\ufeff', max_size=20).map(lambda text: text.encode("utf-16")))
def test_any_bytes_are_a_list_or_one_sentence(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.csv"
        path.write_bytes(content)
        said = ""
        try:
            found = ids_in(path)
        except DataError as error:
            found, said = [], str(error)
        assert all(user == user.strip(BLANKS) != "" for user in found)
        assert said == "" or (str(path) in said and "\n" not in said)


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
