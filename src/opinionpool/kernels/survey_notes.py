"""What the compiled survey notes of rows, and adds up of a tile of them.

Logarithms, log-probabilities and counts are taken of many rows at once: one row after another they
are operations that wait for each other, as long as 150 cells take.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inlined, part
from .powers import logarithm
from .turned import apart


@part
def at_soft(x: Any, q: Any, n: int) -> tuple[float, float]:
    """Return ``Σ_k q_k x_k`` with 0·(−inf) = 0, and ``Σ_k q_k``."""
    total = mass = 0.0
    for k in range(n):
        total += q[k] * (x[k] if q[k] > 0 else 0.0)
        mass += q[k]
    return total, mass


@inlined
def happened_in(x: Any, classes: Any, soft: Any, r: int, K: int) -> tuple[float, float]:
    """Return row r's ``Σ_k q_k x_k`` and ``Σ_k q_k`` of what happened, 0 where nobody knows it."""
    if soft.size:
        return at_soft(x, soft[r], K)
    if classes.size and classes[r] >= 0:
        return np.float64(x[classes[r]]), 1.0
    return 0.0, 0.0


@part
def look_up(own: Any, share: Any, x: Any, classes: Any, soft: Any, rows: int, K: int) -> None:
    """Note what happened in a tile's rows; see :func:`happened_in`."""
    for r in range(rows):
        own[r], share[r] = happened_in(x[r * K : (r + 1) * K], classes, soft, r, K)


@part
def settle(
    found: Any,
    notes: Any,
    own: Any,
    weight: Any,
    status: Any,
    near: Any,
    log_z: Any,
    at_outcome: Any,
) -> None:
    """Add rows to the last three of what was found, and write down what is asked for of them.

    ``notes`` has for every row ``Σ_k exp(x_k − r)``, r, room for what happened, and ``Σ_k q_k``;
    ``own`` has ``Σ_k q_k x_k``.
    """
    mass, tops, happened, share = notes[0], notes[1], notes[2], notes[3]
    like, lost, counted = 0, 0.0, 0.0
    for r in range(len(status)):
        mass[r] = logarithm(mass[r])
    for r in range(len(status)):
        # Less one after the other: a sum of both has the digits of the larger.
        known = apart(np.float64(own[r]), tops[r] * share[r])
        known = apart(known, mass[r] * share[r])
        happened[r] = known if share[r] > 0 else 0.0
        tops[r] += mass[r]
        like += 1 if status[r] == 0 and near[0] <= tops[r] <= near[1] else 0
    for r in range(len(weight)):
        u = weight[r] if status[r] == 0 else 0.0
        lost += u * happened[r] if u > 0 else 0.0
        counted += u
    found[3] += like
    found[4] -= lost
    found[5] += counted
    keep_some(log_z, tops)
    keep_some(at_outcome, happened)


@part
def keep_some(out: Any, numbers: Any) -> None:
    """Copy as many numbers as there is room for.

    A loop: numba compiles assignments to slices with all that might be said of their shapes.
    """
    for r in range(len(out)):
        out[r] = numbers[r]
