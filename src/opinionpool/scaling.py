"""Scaling a fitted pool's classes, and what that changes of its loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .diagnostics.scores import losses
from .pooling import pool_rows
from .weightings.base import Choice, Task
from .weightings.vector_scaling import apply_vector, fit_vector

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
    able = evidence.family.defined(log_p)
    happened, u = evidence.outcomes.take(able), evidence.weight[able]
    vector = fit_vector(log_p[able], happened, u, evidence.threads)
    after = losses(apply_vector(log_p[able], vector), happened)
    answered = float(u @ after / u.sum())
    lost = float(evidence.weight[~able] @ evidence.fallback_loss()[~able]) if not able.all() else 0
    loss = (float(u @ after) + lost) / evidence.total_weight
    split = {**split, "scaling_gain": split["loss"] - answered, "loss": answered}
    return vector, loss, split
