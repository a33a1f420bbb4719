"""Compiled kernel: logits in float64, less the largest of their row."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import jit
from .vector import larger


@jit
def less_top(x: Any, out: Any) -> None:
    """Set (n, K) cells to those of x less their row's largest; rows that are NaN stay so."""
    n, K = x.shape
    for i in range(n):
        top = np.float64(x[i, 0])
        if not np.isnan(top):
            for k in range(1, K):
                top = larger(top, np.float64(x[i, k]))
        for k in range(K):
            out[i, k] = np.float64(x[i, k]) - top
