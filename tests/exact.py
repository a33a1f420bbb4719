"""The softmax family in arbitrary precision, and how far floats are from it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import mpmath as mp
import numpy as np

DIGITS = 60


def exponents(z: Iterable[float], beta: Any = 1) -> list[Any]:
    """β (z_i − extreme) with exact differences; None for masked entries."""
    z = [float(v) for v in z]
    extreme = (max if beta >= 0 else min)(v for v in z if v > -math.inf)
    with mp.workdps(DIGITS):
        return [None if v == -math.inf else beta * mp.fsub(v, extreme, exact=True) for v in z]


def terms(z: Iterable[float], beta: Any = 1) -> list[Any]:
    """exp of the `exponents`; what is below e^-5000 is left out, as no float sees it."""
    with mp.workdps(DIGITS):
        return [mp.mpf(0) if e is None or e < -5000 else mp.exp(e) for e in exponents(z, beta)]


def softmax(z: Iterable[float], beta: Any = 1) -> list[Any]:
    """Exact softmax_β."""
    with mp.workdps(DIGITS):
        parts = terms(z, beta)
        return [part / mp.fsum(parts) for part in parts]


def log_total(z: Iterable[float], beta: Any = 1) -> Any:
    """ln Σ exp(β (z − extreme)), to full relative precision."""
    with mp.workdps(DIGITS):
        parts = sorted(terms(z, beta))
        return mp.log1p(mp.fsum(parts[:-1]))


def log_softmax(z: Iterable[float], beta: Any = 1) -> list[Any]:
    """Exact logarithm of softmax_β."""
    with mp.workdps(DIGITS):
        total = log_total(z, beta)
        return [-mp.inf if e is None else e - total for e in exponents(z, beta)]


def sigmoid(x: float, beta: Any = 1) -> Any:
    """Exact 1/(1 + exp(−βx))."""
    with mp.workdps(DIGITS):
        y = beta * mp.mpf(x)
        return terms([0.0, x], beta)[1] if y < -5000 else 1 / (1 + mp.exp(-y))


def log_sigmoid(x: float, beta: Any = 1) -> Any:
    """Exact −ln(1 + exp(−βx))."""
    with mp.workdps(DIGITS):
        y = beta * mp.mpf(x)
        tail = mp.exp(-abs(y)) if abs(y) < 5000 else mp.mpf(0)
        return min(y, mp.mpf(0)) - mp.log1p(tail)


def ulps_off(actual: Any, exact: Iterable[Any]) -> float:
    """Greatest error of `actual` in units in the last place of its dtype at the exact values."""
    actual = np.atleast_1d(actual)
    worst = 0.0
    for found, right in zip(actual, exact, strict=True):
        if mp.isinf(right) or mp.isinf(float(found)):
            worst = max(worst, 0.0 if found == right else math.inf)
            continue
        # Below a power of two the unit is halved; and above the greatest number there is none.
        below = np.nextafter(np.abs(actual.dtype.type(right)), actual.dtype.type(0))
        unit = float(np.spacing(below))
        with mp.workdps(DIGITS):
            worst = max(worst, float(abs(mp.mpf(float(found)) - right) / unit))
    return worst
