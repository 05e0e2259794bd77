"""User vectors for other models: the user tower's output for everybody, as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from colisten.errors import IndexStoreError
from colisten.progress import Progress
from colisten.serving.recommending import Recommender
from colisten.towers.parts import TowerPart
from colisten.workdir import replacing_file

_AT_ONCE = 4096
_COLLECTION = b"colisten.collection"


def export_users(path: Path, recommender: Recommender, user_ids: Sequence[str] | None, progress: Progress) -> int:
    """Write `user_id` and `vector` (float32, of unit length) of these users, or of all who have a profile.

    Users without a profile get the vector of somebody unknown. The file's metadata has the name of the collection,
    under `colisten.collection`: vectors of two collections cannot be compared.

    Returns:
        How many users there are in the file.

    Raises:
        IndexStoreError: the index was published without towers.
    """
    towers = recommender.encoder.parts.get("towers")
    if not isinstance(towers, TowerPart):
        raise IndexStoreError(
            f"The index {recommender.collection.name} has no user vectors: validation gave the towers no weight, or "
            "towers.parts leaves them out."
        )
    users = recommender.profiles.user_ids() if user_ids is None else list(dict.fromkeys(user_ids))
    vector = pa.list_(pa.float32(), towers.width)
    fields: list[pa.Field[Any]] = [pa.field("user_id", pa.string()), pa.field("vector", vector)]
    schema = pa.schema(fields, metadata={_COLLECTION: recommender.collection.name.encode()})
    with (
        replacing_file(path) as draft,
        pq.ParquetWriter(draft, schema, compression="zstd") as writer,
        progress.task("encoding users", len(users)) as task,
    ):
        for start in range(0, len(users), _AT_ONCE):
            some = users[start : start + _AT_ONCE]
            vectors = towers.encode(recommender.encoder.learned(recommender.profiles.read(some)[0]))
            columns: list[pa.Array[Any]] = [
                pa.array(some, pa.string()),
                pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), towers.width),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            task.advance(len(some))
    return len(users)
