"""The array types that modules share."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]  # row numbers, session numbers, codes
Counts = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]  # ids, as Python's own texts
Labels = npt.NDArray[np.str_]  # such as train, validation, test
Matrix = npt.NDArray[np.float32]  # plays x features, NaN where a value is missing
