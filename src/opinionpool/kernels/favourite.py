"""Compiled kernel: the favourite class of each row, of probabilities that lie class after class."""

from __future__ import annotations

from typing import Any

from .jit import jit


@jit
def favourites(first: int, last: int, p: Any, top: Any, which: Any) -> None:
    """Set the largest probability of rows ``first`` to ``last`` and the first class that has it."""
    for i in range(first, last):
        top[i] = p[0, i]
        which[i] = 0
    for k in range(1, len(p)):
        for i in range(first, last):
            above = p[k, i] > top[i]
            top[i] = p[k, i] if above else top[i]
            which[i] = k if above else which[i]
