"""Going along a step as far as the objective falls as much as its slope promises there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .evaluation import Evaluation

Vector = NDArray[np.float64]

_ARMIJO = 1e-4  # Nocedal & Wright 2006, §3.1


class Trial(NamedTuple):
    """The last point that was tried, and how many there were.

    Attributes
    ----------
    x, evaluation
        The point, tidied, and what was found there.
    length
        Its share of the step.
    n_evaluations
        How many points were evaluated, one at least.
    """

    x: Vector
    evaluation: Evaluation
    length: float
    n_evaluations: int


def backtrack(
    evaluate: Callable[[Vector], Evaluation],
    tidy: Callable[[Vector], Vector],
    x: Vector,
    now: Evaluation,
    step: Vector,
    slope: float,
    most: int,
    shortest: float = 0.0,
) -> Trial:
    """Try shorter and shorter parts of a step until Armijo's condition holds, up to rounding.

    Parameters
    ----------
    evaluate, tidy
        The objective, and what undoes the rounding of a step.
    x, now
        Where the step begins, and what was found there.
    step, slope
        The step, and the objective's slope along it, below 0.
    most, shortest
        How many points to evaluate at most, and the least share of the step to try.

    Returns
    -------
    Trial
        The last one: where none was good it is higher than ``now``.
    """
    length = 1.0
    for n in range(1, most + 1):
        there = tidy(x + length * step)
        trial = Trial(there, evaluate(there), length, n)
        value = trial.evaluation.value
        if value <= now.value + _ARMIJO * length * slope + now.noise:
            break
        # The minimiser of the parabola through value, slope and trial, kept within sense.
        bend = value - now.value - length * slope
        ideal = -slope * length * length / (2 * bend) if np.isfinite(bend) else 0.0
        length = float(np.clip(ideal, 0.1 * length, 0.5 * length))
        if length < shortest:
            break
    return trial
