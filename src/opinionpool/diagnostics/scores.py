"""Scores of probabilistic predictions against what happened (maths.md §7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.evidence import Outcomes
from .calibration import calibration_error

Array = NDArray[np.float64]


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


def ranked_probability_score(log_p: Array, outcomes: Outcomes, weight: Array) -> float:
    """Return the mean of ``Σ_{k<K} (F_k − 1{y ≤ k})²`` in the order of the columns, 0 to K − 1.

    Not divided by K − 1, as some do. A soft outcome counts by its cumulative distribution.
    Two classes: half of the Brier score (Epstein 1969, Journal of Applied Meteorology 8).
    """
    q = outcomes.probabilities(log_p.shape[1])
    # The difference of the cumulative sums, without that of two numbers close to one.
    apart = np.cumsum(np.exp(log_p) - q, axis=1)[:, :-1]
    return float(weight @ (apart**2).sum(axis=1) / weight.sum())
