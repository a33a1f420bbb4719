"""Where every test takes its tolerance from: units in the last place of a dtype, never a guess."""

from __future__ import annotations

from typing import Any

import numpy as np


def ulps(dtype: Any, n: float) -> float:
    """Relative size of n units in the last place (at most: of numbers just above a power of 2)."""
    return n * float(np.finfo(dtype).eps)


def tolerance(dtype: Any, n: float = 4.0) -> dict[str, float]:
    """Keywords for `numpy.testing.assert_allclose` and `numpy.isclose`: n units, subnormals too."""
    return {"rtol": ulps(dtype, n), "atol": n * float(np.finfo(dtype).smallest_subnormal)}
