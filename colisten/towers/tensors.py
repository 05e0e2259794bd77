"""Safetensors files opened without reading them: only the rows that are used are paged in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from colisten.errors import WorkdirError

_DTYPES = {"F32": "<f4", "F16": "<f2", "U8": "|u1", "I32": "<i4", "I64": "<i8", "BOOL": "|b1"}


def mapped(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All tensors of a file as read-only memory maps (format: 8 bytes of length, a JSON header, the bytes).

    Raises:
        WorkdirError: the file is damaged.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        if not header:
            return {}
        whole = np.memmap(path, np.uint8, "r", offset=8 + length).view(np.ndarray)  # to index a memmap takes longer
        return {
            name: whole[slice(*entry["data_offsets"])].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in header.items()
        }
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise WorkdirError(f"{path} is damaged: `colisten run` makes it anew.") from error
