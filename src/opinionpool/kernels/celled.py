"""Compiled kernel: probabilities counted in cells of equal relative width, class by class.

The cells of ``diagnostics.sketch``, found from a probability's bits while it is at hand: in NumPy
each of a dozen steps is a pass over memory, and so is each sum over cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import jit, part


@part
def _bits(x: Any) -> Any:
    """Return the bits of a float64."""
    return np.float64(x).view(np.int64)


@part
def _cell(p: Any, shift: int, low: int, last: int) -> Any:
    """Return the cell of a probability: exponent and first digits of p, or of 1 − p above a half.

    ``low`` is below those of what is 0, ``last`` the cell of 1.
    """
    upper = p >= 0.5
    key = ((_bits(1.0 - p) if upper else _bits(p)) >> shift) - low
    key = min(max(key, 0), last >> 1)
    return last - key if upper else key


@jit
def add_to_cells(
    p: Any, classes: Any, soft: Any, u: Any, digits: int, low: int, last: int, sums: Any, whole: Any
) -> float:
    """Add rows of probabilities (n, K) to sums over cells; return the sum of Brier scores.

    Parameters
    ----------
    p, u
        Probabilities, and row weights (n,).
    classes, soft
        What happened, as classes (n,) or as probabilities (n, K); the other one is empty.
    digits, low, last
        Of the cells.
    sums
        (K, S, 3) of ``u``, ``u p`` and ``u o``.
    whole
        (3, K) of ``u p²``, ``u p o`` and ``u o²``.
    """
    n, k = p.shape
    shift, hard, brier = 52 - digits, len(soft) == 0, 0.0
    for i in range(n):
        apart = 0.0
        for c in range(k):
            own = p[i, c]
            # Two classes share the cells of the second.
            cell = _cell(p[i, 1] if k == 2 else own, shift, low, last)
            o = (1.0 if classes[i] == c else 0.0) if hard else soft[i, c]
            sums[c, cell, 0] += u[i]
            sums[c, cell, 1] += u[i] * own
            whole[0, c] += u[i] * own * own
            apart += (own - o) * (own - o)
            if o != 0.0:
                sums[c, cell, 2] += u[i] * o
                whole[1, c] += u[i] * own * o
                whole[2, c] += u[i] * o * o
        brier += u[i] * apart
    return brier
