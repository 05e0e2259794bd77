"""The two engines that compute an Ibis expression over Parquet files into one ordered Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import duckdb
import ibis
import polars as pl

from colisten.errors import ColistenError, GraphError, OutOfSpaceError
from colisten.full_disk import is_full
from colisten.progress import Progress
from colisten.spark import shared_parts, spark_session

Expression = Callable[[Mapping[str, ibis.Table]], ibis.Table]
_SECONDS_BETWEEN_LOOKS = 0.2


def run_on_duckdb(
    expression: Expression, files: Mapping[str, Path], out: Path, *, memory_mb: int, spill: Path, title: str,
    progress: Progress,
) -> None:  # fmt: skip
    """Compute in at most `memory_mb`; what does not fit spills to the folder `spill`.

    Raises:
        GraphError: not even spilling helped, or the files cannot be read.
        OutOfSpaceError: the disk is full.
    """
    connection = ibis.duckdb.connect(memory_limit=f"{memory_mb}MB", temp_directory=str(spill))
    connection.raw_sql("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    try:
        tables = {name: connection.read_parquet(path, table_name=name) for name, path in files.items()}
        with ThreadPoolExecutor(1) as pool:
            _watch(pool.submit(connection.to_parquet, expression(tables), out), connection.con, title, progress)
    except duckdb.Error as error:
        raise _failure(error) from error
    finally:
        connection.disconnect()


def _watch(work: Future[None], connection: duckdb.DuckDBPyConnection, title: str, progress: Progress) -> None:
    """Show how far DuckDB got until `work` is done; an interrupt here stops it there."""
    shown = 0.0
    with progress.task(title, total=100) as task:
        try:
            while not wait([work], _SECONDS_BETWEEN_LOOKS).done:
                far = connection.query_progress()
                task.advance(max(far - shown, 0))
                shown = max(far, shown)
        except BaseException:
            connection.interrupt()
            raise
    work.result()


def _failure(error: duckdb.Error) -> ColistenError:
    message = str(error).splitlines()[0].rstrip(".")
    if is_full(error):
        return OutOfSpaceError(
            f"The disk filled up while edges were computed: free some space and run again ({message})."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return GraphError("The edges do not fit in graph.memory_mb: raise it, or lower graph.items_per_user.")
    return GraphError(
        f"The edges cannot be computed: {message}; import the listening data again if its files are broken."
    )


def run_on_spark(
    expression: Expression, files: Mapping[str, Path], out: Path, *, memory_mb: int, spill: Path, progress: Progress
) -> None:
    """Compute on Spark (`spark_session`); executors read `files` and write below `spill`, by the same paths.

    Raises:
        SettingsError: Spark or its Java is missing, or executors do not share the folder.
        ColistenError: a job of Spark failed.
    """
    parts = spill.resolve() / "parts"
    with progress.task("co-listening edges on Spark"), spark_session(spill, memory_mb) as session:
        connection = ibis.pyspark.connect(session.newSession())  # the caller's views and settings stay as they are
        tables = {name: connection.read_parquet(_uri(path), table_name=name) for name, path in files.items()}
        connection.to_parquet_dir(expression(tables), _uri(parts))
    pl.scan_parquet(shared_parts(parts), glob=False).sink_parquet(out)


def _uri(path: Path) -> str:
    """A path of the file system, whatever Spark's own default is."""
    return f"file://{path.resolve()}"
