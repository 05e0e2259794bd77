"""Spark, for tables that outgrow one machine: its session, and tasks of ours on its executors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from colisten.errors import ColistenError, SettingsError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@contextmanager
def spark_session(scratch: Path, memory_mb: int | None = None) -> Iterator[SparkSession]:
    """The active session, which stays; else one on what Spark's own configuration names, or local, for the block.

    Args:
        scratch: a folder that the driver spills to.
        memory_mb: of the driver; Spark's default if None.

    Raises:
        SettingsError: Spark or its Java is missing.
        ColistenError: a job of Spark failed.
    """
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException, PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SettingsError(
            'Spark is not installed: run pip install "colisten[spark]", or set engine=local.'
        ) from error
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # a local executor would take any python3
    running = SparkSession.getActiveSession()
    builder = SparkSession.builder.appName("colisten").config("spark.ui.enabled", "false")
    if memory_mb is not None:
        builder = builder.config("spark.driver.memory", f"{memory_mb}m")
    quiet = builder.config("spark.ui.showConsoleProgress", "false")
    try:
        session = running or quiet.config("spark.local.dir", str(scratch.resolve())).getOrCreate()
    except PySparkRuntimeError as error:
        raise SettingsError(
            "Spark does not start: it needs Java 17 or later with the module jdk.incubator.vector (set JAVA_HOME), "
            "or set engine=local."
        ) from error
    if running is None:
        session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    except (PySparkException, Py4JError) as error:
        raise ColistenError(f"Spark gave up ({_cause(error)}): its log says more, or set engine=local.") from error
    finally:
        if running is None:
            session.stop()


def on_executors(session: SparkSession, task: Callable[[_Given], _Made], given: Sequence[_Given]) -> list[_Made]:
    """What `task`, a function of an importable module, makes of each; executors need Colisten installed.

    Raises:
        ColistenError: the first that a task raised.
    """
    parts = session.sparkContext.parallelize(given, len(given))
    made = []
    for one in parts.map(partial(_caught, task)).collect():
        if isinstance(one, ColistenError):
            raise one
        made.append(one)
    return made


def shared_parts(folder: Path, least: int = 1) -> list[Path]:
    """The Parquet files, so many or more, that executors wrote to `folder`, in order.

    Raises:
        SettingsError: there are fewer: not all executors see the folder.
    """
    written = sorted(folder.glob("part-*.parquet"))
    if len(written) < least:
        raise SettingsError(
            f"Spark's executors wrote {len(written)} of {least} parts to {folder.parent}: put the working folder on a "
            "file system that they see by the same path, or set engine=local."
        )
    return written


def _caught(task: Callable[[_Given], _Made], given: _Given) -> _Made | ColistenError:
    """An error of ours is a result: Spark would wrap it in pages of its own."""
    try:
        return task(given)
    except ColistenError as error:
        return error


def _cause(error: Exception) -> str:
    """The last line of the message that is none of a Java stack."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line.rstrip(".:") for line in lines if line and not line.startswith(("at ", "... ", "SQLSTATE"))]
    return told[-1].removeprefix("Caused by: ") if told else "no reason"
