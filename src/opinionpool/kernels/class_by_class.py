"""Compiled kernel: rows of probabilities laid out class after class, and each row's favourite."""

from __future__ import annotations

from typing import Any

from .jit import jit

#: Cells that are turned at a time, and rows: they stay in a core's caches, and what is written of a
#: class is some lines of cache.
_CELLS, _MOST, _LEAST = 1 << 15, 1 << 9, 1 << 6


@jit
def lay_out(rows: Any, first: int, p: Any, top: Any, which: Any) -> None:
    """Set columns ``first`` on of p to rows (n, K), note each one's largest cell and its class.

    Of equal cells the first class.
    """
    n, K = rows.shape
    size = min(_MOST, max(_LEAST, _CELLS // K))
    for a in range(0, n, size):
        # Slices: indices that may be negative, for all the compiler knows, are no vectors.
        m, start = min(size, n - a), first + a
        own, high, best = rows[a : a + m], top[start : start + m], which[start : start + m]
        for i in range(m):
            high[i] = own[i, 0]
            best[i] = 0
        for k in range(K):
            column = p[k, start : start + m]
            for i in range(m):
                column[i] = own[i, k]
        for k in range(1, K):
            column = p[k, start : start + m]
            for i in range(m):
                above = column[i] > high[i]
                high[i] = column[i] if above else high[i]
                best[i] = k if above else best[i]
