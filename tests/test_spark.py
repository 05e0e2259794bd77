"""What executors raise, and what is said where Spark or one of its jobs fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from colisten.errors import ColistenError, DataError, SettingsError
from colisten.spark import on_executors, shared_parts, spark_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def _task(what: str) -> str:
    if what == "ours":
        raise DataError("This is ours.")
    if what == "theirs":
        raise ZeroDivisionError("never mind")
    if what == "gone":
        os._exit(3)
    return what.upper()


@pytest.mark.slow
def test_errors_of_executors_are_one_sentence(two_executors: SparkSession, tmp_path: Path) -> None:
    with spark_session(tmp_path) as session:
        assert session is two_executors
        assert on_executors(session, _task, ["a", "b", "c"]) == ["A", "B", "C"]
        with pytest.raises(DataError, match=r"^This is ours\.$"):
            on_executors(session, _task, ["a", "ours"])
    for what, told in (("theirs", "ZeroDivisionError: never mind"), ("gone", "")):
        with pytest.raises(ColistenError) as found, spark_session(tmp_path) as session:
            on_executors(session, _task, ["a", what])
        assert told in str(found.value)
        assert str(found.value).startswith("Spark gave up (")
        assert "\n" not in str(found.value)


def test_executors_that_do_not_share_the_folder(tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").touch()
    assert shared_parts(tmp_path) == [tmp_path / "part-0.parquet"]
    with pytest.raises(SettingsError, match=r"1 of 2 parts .* see by the same path"):
        shared_parts(tmp_path, 2)
