"""Floors fitted with the weights: each model mixed with the uniform by its own ε (maths.md §2).

``p̃_α = (1 − ε_α) p_α + ε_α/K``. For given floors the weights are a convex problem, solved
exactly; over the floors the minimum of that problem is smooth, and by the envelope theorem its
gradient is the partial one, ``∂L/∂ε_α = v_α E[E_p̄ d_α − d_α(y)]`` with
``d_α = (1/K − p_α)/p̃_α``. It is not convex in ε: several starts, and no gap.

What is read block by block is read few times: see :mod:`.floors_in_place`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Status
from ..families.floors import mix_all
from ..families.lazy import Lazy
from ..families.outcomes import Outcomes
from ..rules.evidence import Evidence
from ..rules.objective import PooledLoss
from .base import Choice, Task, Weighting
from .floors_in_place import search

Array = NDArray[np.float64]

#: Floors all models start from; the best end is kept.
STARTS = (1e-6, 1e-3, 3e-2)
SMALLEST, LARGEST = 1e-9, 0.5
MAX_ITERATIONS = 40


def learn_floors(task: Task, weighting: Weighting) -> tuple[Array, Choice]:
    """Fit one ε per model, together with the weights; the evidence must not be floored yet."""
    from scipy.optimize import minimize

    m, k = task.evidence.n_models, task.evidence.n_parameters
    if isinstance(task.evidence.parameters, Lazy):
        if task.rule.joint_temperature:
            return search(task, weighting, STARTS, (SMALLEST, LARGEST))
        task = replace(task, evidence=_at_outcomes(task.evidence))
    best: tuple[float, Array, Choice] | None = None
    evaluations = 0

    def profile(logits: Array) -> tuple[float, Array]:
        nonlocal best, evaluations
        epsilon = 1 / (1 + np.exp(-logits))
        evidence = floored_evidence(task.evidence, epsilon, k)
        choice = weighting.choose(replace(task, evidence=evidence))
        evaluations += choice.n_evaluations + 1
        v = choice.weights * _inverse_temperature(task, choice)
        value, slope = _value_and_slope(task, evidence, v, epsilon, k)
        if best is None or value < best[0]:
            best = value, epsilon, choice
        return value, slope * epsilon * (1 - epsilon)

    bounds = [(_logit(SMALLEST), _logit(LARGEST))] * m
    for start in STARTS:
        minimize(
            profile,
            np.full(m, _logit(start)),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": MAX_ITERATIONS},
        )
    assert best is not None
    _, epsilon, choice = best
    status = Status.STATIONARY if choice.status is Status.CONVERGED else choice.status
    return epsilon, replace(choice, gap=np.nan, status=status, n_evaluations=evaluations)


def floored_evidence(evidence: Evidence, epsilon: Array, n_classes: int | None = None) -> Evidence:
    """Return evidence in memory with every model mixed by its own ε; see :func:`mixed`."""
    return replace(evidence, parameters=mix_all(evidence.parameters, epsilon, n_classes))


def _at_outcomes(evidence: Evidence) -> Evidence:
    """Return all that a mixture's loss depends on: one column, of the classes that happened.

    Of classes that happened for certain, and models that answered every row.
    """
    nothing = np.zeros(evidence.n_rows, dtype=np.int64)
    column = evidence.log_likelihood()[:, :, None]
    return replace(evidence, parameters=column, outcomes=Outcomes(classes=nothing))


def _inverse_temperature(task: Task, choice: Choice) -> float:
    """Return 1/T as far as it belongs to the weights' own problem."""
    if choice.inverse_temperature is not None:
        return choice.inverse_temperature
    if task.rule.joint_temperature and task.temperature != "fit":
        return 1.0 / task.temperature
    return 1.0


def _value_and_slope(
    task: Task, evidence: Evidence, v: Array, epsilon: Array, n_classes: int | None = None
) -> tuple[float, Array]:
    """Return the penalised loss at v and its partial derivatives in ε."""
    value = PooledLoss(task.rule, evidence, task.penalty).value(v)
    k = n_classes or evidence.n_parameters
    slope = np.zeros(len(v))
    raw = task.evidence.answered()
    for own, block in zip(raw.blocks(), evidence.answered().blocks(), strict=True):
        log_p = (
            own.parameters
            if own.present is None
            else np.where(own.present[:, :, None], own.parameters, -np.log(k))
        )
        d = (1 / k - np.exp(log_p)) / np.exp(mix_all(log_p, epsilon, k))
        slope += task.rule.sensitivity(v, block, d)
    return value, slope / raw.total_weight


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))
