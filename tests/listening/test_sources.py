"""The same data gives the same import, however it is stored."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import fsspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from colisten.listening.data import ListeningData
from colisten.listening.files import Source
from colisten.listening.raw import database, one_row
from colisten.listening.synth import make_world
from tests.listening.sources import Importer, event

FILES = ("interactions", "items", "users")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world") / "data"
    make_world(out, users=60, audiobooks=40, podcasts=30)
    spoil = pl.read_parquet(out / "interactions.parquet").with_columns(
        pl.when(pl.int_range(pl.len()) % 50 == 7).then(pl.lit("gone")).otherwise(pl.col("item_id")).alias("item_id")
    )
    spoil.write_parquet(out / "interactions.parquet")
    return out


@pytest.fixture
def plain(importer: Importer, world: Path) -> dict[str, pl.DataFrame]:
    """The import of the world as three Parquet files."""
    shutil.copytree(world, importer.source, dirs_exist_ok=True)
    data = importer.run()
    shutil.rmtree(importer.source)
    importer.source.mkdir()
    return {name: pl.read_parquet(data.root / f"{name}.parquet") for name in FILES} | {
        "rejected": pl.read_parquet(data.root / "rejected.parquet").select("line", "reason")
    }


def as_csv(frame: pl.DataFrame) -> str:
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    texts = [pl.format("[{}]", pl.col(name).cast(pl.List(pl.String)).list.join(", ")).alias(name) if name == "taste"
             else pl.col(name).list.join("|") for name in lists]  # fmt: skip
    return frame.with_columns(texts).write_csv()


def same(plain: dict[str, pl.DataFrame], data: ListeningData, *, lines: bool = True) -> None:
    for name in FILES:
        assert_frame_equal(pl.read_parquet(data.root / f"{name}.parquet"), plain[name])
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    assert len(rejected) == len(plain["rejected"]) > 0
    if lines:
        assert_frame_equal(rejected.select("line", "reason"), plain["rejected"])


def test_csv_is_read_like_parquet(importer: Importer, world: Path, plain: dict[str, pl.DataFrame]) -> None:
    for name in FILES:
        importer.write_text(f"{name}.csv", as_csv(pl.read_parquet(world / f"{name}.parquet")))
    same(plain, importer.run())


def test_packed_csv_in_parts_with_columns_in_another_order(
    importer: Importer, world: Path, plain: dict[str, pl.DataFrame]
) -> None:
    events = pl.read_parquet(world / "interactions.parquet")
    for place, part in enumerate(events.iter_slices(len(events) // 3 + 1)):
        columns = part.columns if place else part.columns[::-1]
        (importer.source / f"interactions_{place}.csv.gz").write_bytes(
            gzip.compress(as_csv(part.select(columns)).encode())
        )
    for name in ("items", "users"):
        importer.write_text(f"{name}.csv", as_csv(pl.read_parquet(world / f"{name}.parquet")))
    data = importer.run()
    same(plain, data, lines=False)
    rejected = pl.read_parquet(data.root / "rejected.parquet")
    for row in rejected.iter_rows(named=True):
        part = pl.read_csv(row["file"], infer_schema=False)
        assert part["item_id"][row["line"] - 1] == "gone"


def test_many_parquet_files_below_a_folder(importer: Importer, world: Path, plain: dict[str, pl.DataFrame]) -> None:
    events = pl.read_parquet(world / "interactions.parquet")
    for place, part in enumerate(events.iter_slices(len(events) // 4 + 1)):
        folder = importer.source / "interactions" / f"day={place}"
        folder.mkdir(parents=True)
        part.write_parquet(folder / "part-0.parquet")
    (importer.source / "interactions" / "_temporary").mkdir()
    (importer.source / "interactions" / "_temporary" / "half.parquet").write_text("half written")
    for name in ("items", "users"):
        pl.read_parquet(world / f"{name}.parquet").write_parquet(importer.source / f"{name}-0001.parquet")
    same(plain, importer.run(), lines=False)


def test_an_object_store(importer: Importer, world: Path, plain: dict[str, pl.DataFrame]) -> None:
    store = fsspec.filesystem("memory")
    for name in FILES:
        store.pipe(f"/bucket/data/{name}.parquet", (world / f"{name}.parquet").read_bytes())
    try:
        same(plain, importer.run(source="memory://bucket/data"))
    finally:
        store.rm("/bucket", recursive=True)


def test_the_same_import_twice_is_equal_byte_for_byte(importer: Importer, world: Path) -> None:
    shutil.copytree(world, importer.source, dirs_exist_ok=True)
    data = importer.run()
    first = {path.name: path.read_bytes() for path in data.root.iterdir()}
    importer.run()
    assert {path.name: path.read_bytes() for path in data.root.iterdir()} == first


def test_times_may_be_timestamps_or_days(importer: Importer) -> None:
    events = pl.DataFrame([event(timestamp=n) for n in (86_400, 172_800)])
    importer.write()
    for kind in (pl.Datetime("ms"), pl.Datetime("us", "Europe/Berlin"), pl.Date, pl.Float64):
        numbers = pl.col("timestamp")
        times = numbers.cast(pl.Float64) if kind == pl.Float64 else pl.from_epoch(numbers, "s")
        if isinstance(kind, pl.Datetime):
            times = times.dt.cast_time_unit(kind.time_unit)
            times = times.dt.replace_time_zone("UTC").dt.convert_time_zone(kind.time_zone) if kind.time_zone else times
        events.with_columns(times.cast(kind)).write_parquet(importer.source / "interactions.parquet")
        assert pl.read_parquet(importer.run().interactions)["timestamp"].to_list() == [86_400, 172_800], kind


def test_a_broken_csv_row_does_not_shift_the_places_of_the_others(importer: Importer) -> None:
    importer.write_text("items.csv", 'item_id,item_type,title\nbook,audiobook,"two\nlines"\n')
    good, bad, broken = "u,book,audiobook,stream,1\n", "u,gone,audiobook,stream,1\n", "u,book\n"
    rows = [good, broken, bad, good, broken, broken, good, bad, broken, bad]
    importer.write_text("interactions.csv", "user_id,item_id,item_type,signal,timestamp\n" + "".join(rows))
    rejected = pl.read_parquet(importer.run().root / "rejected.parquet")
    assert rejected["line"].to_list() == [place for place, row in enumerate(rows, 1) if row != good]


def test_lists_in_csv_are_json_or_joined_by_bars(importer: Importer) -> None:
    importer.write_text(
        "items.csv",
        'item_id,item_type,title,genres\nbook,audiobook,A,"[""x, y"", ""z""]"\nb,audiobook,B,x| y |\nc,audiobook,C,\n',
    )
    importer.write_text("interactions.csv", "user_id,item_id,item_type,signal,timestamp\nu,book,audiobook,stream,1\n")
    assert importer.run().items.sort("title")["genres"].to_list() == [["x, y", "z"], ["x", "y"], None]


def test_numbers_in_csv_features_are_numbers(importer: Importer) -> None:
    importer.write().write_text("users.csv", 'user_id,age,band,taste\nu,34,65+,"[1, 2.5]"\nv,,20-30,\n')
    users = importer.run().users
    assert users.select("age", "band", "taste").rows() == [(34.0, "65+", [1.0, 2.5]), (None, "20-30", None)]


def test_long_work_draws_no_bar_on_stdout(importer: Importer, tmp_path: Path) -> None:
    with database(tmp_path, Source.open(str(importer.write().source)), 256) as db:
        assert one_row(db, "SELECT current_setting('enable_progress_bar')") == (False,)
