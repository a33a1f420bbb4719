"""Passes over one tile of numbers, each a loop that LLVM vectorises. Sums are float64."""

from __future__ import annotations

from typing import Any

from .jit import part
from .powers import exponential


@part
def exponential_sum(z: Any, top: float, n: int, narrow: bool) -> float:
    """Return ``Σ_k exp(z_k − top)``."""
    total = 0.0
    for k in range(n):
        total += exponential(z[k] - top, narrow)
    return total


@part
def scaled(out: Any, e: Any, factor: float, n: int) -> None:
    """Set ``out[:n] = factor e``, and 0 behind to the end of the vector."""
    for k in range(n):
        out[k] = e[k] * factor
    for k in range(n, (n + 15) // 16 * 16):
        out[k] = 0.0
