"""The rows worth looking at: where the pool is most wrong, where the models disagree most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def highest(values: Array, most: int) -> NDArray[np.int64]:
    """Return the rows of the largest values, the largest first; of equal ones the first row."""
    able = np.flatnonzero(~np.isnan(values))
    return able[np.argsort(-values[able], kind="stable")[:most]]
