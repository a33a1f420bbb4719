"""Scaling a fitted pool's classes, and what that changes of its loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pooling import pool_rows
from .weightings.base import Choice, Task
from .weightings.vector_scaling import fit_vector

Array = NDArray[np.float64]


def scaled(
    task: Task, choice: Choice, split: dict[str, float], *, closure: bool
) -> tuple[Array, float, dict[str, float]]:
    """Fit vector scaling to a pool: factors and offsets (2, K), the new loss, the new split.

    The loss is over all rows, with those that nobody answered at their fallback; the split
    gains ``scaling_gain``, on the rows that somebody answered.
    """
    evidence, s = task.evidence, choice.inverse_temperature
    assert s is not None
    log_p = pool_rows(
        task.rule,
        choice.weights,
        s,
        evidence.parameters,
        evidence.attendance,
        evidence.family,
        closure=closure,
        threads=evidence.threads,
    )
    able, lost = evidence.family.defined(log_p), 0.0
    happened, u = evidence.outcomes, evidence.weight
    if not able.all():
        lost = float(u[~able] @ evidence.fallback_loss()[~able])
        log_p, happened, u = log_p[able], happened.take(able), u[able]
    vector, answered = fit_vector(log_p, happened, u, evidence.threads)
    loss = (answered * float(u.sum()) + lost) / evidence.total_weight
    split = {**split, "scaling_gain": split["loss"] - answered, "loss": answered}
    return vector, loss, split
