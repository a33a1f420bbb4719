"""Compiled kernel: the favourite class of each row, of probabilities that lie class after class."""

from __future__ import annotations

from typing import Any

from .jit import jit

#: Rows that are gone over at a time: what is noted of them stays in the first-level cache.
_ROWS = 1 << 10


@jit
def favourites(first: int, last: int, p: Any, top: Any, which: Any) -> None:
    """Set the largest probability of rows ``first`` to ``last`` and the first class that has it."""
    for low in range(first, last, _ROWS):
        high = min(low + _ROWS, last)
        for i in range(low, high):
            top[i] = p[0, i]
            which[i] = 0
        for k in range(1, len(p)):
            for i in range(low, high):
                above = p[k, i] > top[i]
                top[i] = p[k, i] if above else top[i]
                which[i] = k if above else which[i]
