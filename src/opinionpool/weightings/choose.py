"""Choosing a pool on evidence: the weights, then what they leave open, then the certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import Status, warn
from .base import Choice, Task, Weighting, certify, settled
from .temperature import fit_temperature

Array = NDArray[np.float64]


def choose(task: Task, weighting: Weighting, names: tuple[str, ...]) -> Choice:
    """Choose weights and temperature; the result always has an inverse temperature and a gap.

    Models that answered none of the rows get no weight from a weighting that learns, with a
    warning: these rows say nothing about them.
    """
    return complete(task, weighting, weigh(task, weighting, names))


def weigh(task: Task, weighting: Weighting, names: tuple[str, ...]) -> Choice:
    """Choose weights alone (and the temperature where the two are one problem)."""
    present = task.evidence.present
    if present is None or not weighting.learns:
        return weighting.choose(task)
    # Rows of weight 0 say nothing either.
    heard: NDArray[np.bool_] = np.asarray((present & (task.evidence.weight > 0)).any(axis=1))
    if heard.all() or not heard.any():
        return weighting.choose(task)
    silent = ", ".join(name for name, here in zip(names, heard, strict=True) if not here)
    warn(
        f"no outputs in the fitting rows, hence weight 0: {silent}",
    )
    chosen = np.flatnonzero(heard)
    choice = weighting.choose(replace(task, evidence=task.evidence.models(chosen)))
    weights = np.zeros(len(heard))
    weights[chosen] = choice.weights
    return replace(choice, weights=weights)


def complete(task: Task, weighting: Weighting, choice: Choice, *, certified: bool = True) -> Choice:
    """Fit the temperature a weighting left open, and bound how far the result is from the best.

    ``certified`` may be left out where nobody looks at the gap of weights that were not
    optimised: it takes solving for the optimum.
    """
    s, status, gap, evaluations = (
        choice.inverse_temperature,
        choice.status,
        choice.gap,
        choice.n_evaluations,
    )
    extra = 0.0
    if choice.gamma is not None:
        task = replace(task, evidence=replace(task.evidence, gamma=choice.gamma))
    if s is None and task.temperature == "fit":
        tempering, tempered = fit_temperature(
            task.rule, task.evidence, choice.weights, task.penalty, closure=weighting.closure
        )
        s = float(tempering.v[0])
        s = settled(s, task.evidence.family)
        choice = replace(choice, tempered=tempered if s == tempering.v[0] else None)
        evaluations += tempering.n_evaluations
        # Two convex problems in turn: each certificate bounds its own excess.
        extra = tempering.gap
        if tempering.status in (Status.SEPARABLE, Status.NOT_CONVERGED):
            status = tempering.status
    elif s is None:
        assert not isinstance(task.temperature, str)
        s = 1.0 / task.temperature
    if choice.status is Status.FIXED and certified:
        gap, spent = certify(task, choice.weights, s)
        evaluations += spent
    if not task.rule.joint_temperature and np.isfinite(extra):
        gap += extra
    return replace(
        choice, inverse_temperature=s, status=status, gap=float(gap), n_evaluations=evaluations
    )
