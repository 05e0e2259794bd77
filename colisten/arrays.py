"""Names for the NumPy arrays that rooms hand to each other; shapes are given where they are used."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]
Int8s = npt.NDArray[np.int8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Halves = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
