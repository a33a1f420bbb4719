"""Scores of probabilistic predictions against what happened (maths.md §7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.evidence import Outcomes

Array = NDArray[np.float64]

N_BINS = 15


def scores(log_p: Array, outcomes: Outcomes, weight: Array) -> dict[str, float]:
    """Score (N, K) log-probabilities: ``nll``, ``brier``, ``accuracy``, ``ece``.

    NLL in nats per row; Brier is the sum over classes of squared differences, 0 to 2; ECE is
    of the top class, in equal-mass bins (Nixon et al. 2019). Soft outcomes count as the
    distributions they are; for accuracy and calibration a prediction is right to the extent
    of the probability of the class it names.
    """
    q = outcomes.probabilities(log_p.shape[1])
    p = np.exp(log_p)
    top = p.argmax(axis=1)
    rows = np.arange(len(p))
    right = q[rows, top]
    total = weight.sum()
    return {
        "nll": float(weight @ losses(log_p, outcomes) / total),
        "brier": float(weight @ ((p - q) ** 2).sum(axis=1) / total),
        "accuracy": float(weight @ right / total),
        "ece": calibration_error(p[rows, top], right, weight),
    }


def losses(log_p: Array, outcomes: Outcomes) -> Array:
    """Return each row's negative log-likelihood, (N,) in nats."""
    return -outcomes.expectation(log_p)


def calibration_error(confidence: Array, right: Array, weight: Array, bins: int = N_BINS) -> float:
    """Return the expected calibration error over bins of equal mass; ties share a bin."""
    order = np.argsort(confidence, kind="stable")
    c, r, u = confidence[order], right[order], weight[order]
    _, first = np.unique(c, return_index=True)
    mass = np.cumsum(u)
    start = np.concatenate([[0.0], mass[:-1]])[first]  # mass before each group of ties
    group_bin = np.minimum((start / mass[-1] * bins).astype(np.int64), bins - 1)
    bin_of = np.repeat(group_bin, np.diff([*first, len(c)]))
    error = np.abs(np.bincount(bin_of, u * (c - r), minlength=bins))
    return float(error.sum() / mass[-1])
