"""Pseudo-Bayesian model averaging (Yao, Vehtari, Simpson & Gelman 2018).

Weights in proportion to ``exp(−N·NLL_α)``: as if one of the models were the truth, so they go to
a single model as rows are added. The ``+`` form averages them over the Bayesian bootstrap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.evidence import Evidence
from .base import Choice, Task, Weighting, fixed

Array = NDArray[np.float64]

DRAWS = 1000
#: Row weights held in memory together, of at most so many draws.
_AT_ONCE, _MOST_DRAWS = 1 << 22, 100


class PseudoBMA(Weighting):
    """Softmax of the models' total log-likelihoods."""

    name = "pseudo-bma"
    by_blocks = True

    def choose(self, task: Task) -> Choice:
        """Weigh by likelihood."""
        log_f, u = _log_likelihoods(task.evidence)
        return fixed(_softmax(_totals(log_f, u, u.sum(axis=1))), 1)


class PseudoBMAPlus(Weighting):
    """The same, averaged over Bayesian bootstraps of the rows."""

    name = "pseudo-bma+"
    by_blocks = True
    stochastic = True

    def choose(self, task: Task) -> Choice:
        """Weigh by likelihood under resampled row weights."""
        log_f, u = _log_likelihoods(task.evidence)
        row_weight, n = task.evidence.weight, u.sum(axis=1)
        present = u > 0
        known, here = np.where(present, log_f, 0.0), present.astype(np.float64)
        rng = np.random.default_rng(task.seed)
        weights = np.zeros(len(u))
        step = max(1, min(_MOST_DRAWS, _AT_ONCE // max(1, len(row_weight))))
        for first in range(0, DRAWS, step):
            some = min(step, DRAWS - first)
            for draw in _gamma(rng, row_weight, some):
                weights += _softmax(n.max() * _mean(draw, known, here))
        return fixed(weights / DRAWS, 1)


def _gamma(rng: np.random.Generator, shape: Array, draws: int) -> Array:
    """Return (draws, N) weights: gamma, so that a row of weight 2 is drawn as two rows are.

    Of weight 1 they are exponential: the same numbers, in half the time.
    """
    if (shape == 1).all():
        return rng.standard_exponential((draws, len(shape)))
    return rng.standard_gamma(shape, (draws, len(shape)))


def _mean(draw: Array, log_f: Array, here: Array) -> Array:
    """Return each model's mean under row weights; ``log_f`` is 0 where absent."""
    with np.errstate(invalid="ignore"):
        total = np.einsum("n,mn->m", draw, log_f)
    if np.isnan(total).any():  # a row of weight 0 that was ruled out: 0·(−inf) = 0
        total = np.einsum("mn->m", np.where(draw > 0, draw * log_f, 0.0))
    mass = np.einsum("n,mn->m", draw, here)
    lost = mass == 0
    if lost.any():  # rows of so little weight that their draws are too small for a number
        mass[lost], total[lost] = here[lost].sum(axis=1), log_f[lost].sum(axis=1)
    return np.asarray(total / mass)


def _log_likelihoods(evidence: Evidence) -> tuple[Array, Array]:
    """Return log-likelihoods (M, N), and row weights (M, N) that are 0 where absent."""
    log_f = evidence.log_likelihood()
    u = np.broadcast_to(evidence.weight, log_f.shape)
    return (log_f, u) if evidence.present is None else (log_f, u * evidence.present)


def _totals(log_f: Array, u: Array, n: Array) -> Array:
    """Return N times each model's mean log-likelihood, N being the largest number of rows."""
    mean = (u * np.where(u > 0, log_f, 0.0)).sum(axis=1) / u.sum(axis=1)
    totals: Array = n.max() * mean
    return totals


def _softmax(z: Array) -> Array:
    top = z.max()
    if np.isneginf(top):  # every model ruled something out that happened: no likelihood is larger
        return np.full(len(z), 1 / len(z))
    p = np.exp(z - top)
    weights: Array = p / p.sum()
    return weights
