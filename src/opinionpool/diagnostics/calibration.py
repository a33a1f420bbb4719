"""Calibration in bins of equal mass, and the split of the Brier score over them (maths.md §7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..rules.evidence import Outcomes

Array = NDArray[np.float64]

N_BINS = 15

#: Brier = first − second + third + fourth − fifth.
PARTS = (
    "reliability",
    "resolution",
    "uncertainty",
    "within_bin_variance",
    "within_bin_covariance",
)


def equal_mass_bins(values: Array, weight: Array, bins: int = N_BINS) -> NDArray[np.int64]:
    """Return the bin of each row, (N,): bins of equal weight, equal values in one bin.

    A group of ties is in the bin that its first row would be in.
    """
    order = np.argsort(values)
    sorted_values = values[order]
    first = np.flatnonzero(np.r_[True, sorted_values[1:] != sorted_values[:-1]])
    mass = np.cumsum(weight[order])
    before = np.concatenate([[0.0], mass[:-1]])[first]  # mass before each group of ties
    # Multiplied first: for whole weights the quotient is then exact wherever it is whole.
    group_bin = np.minimum((before * bins / mass[-1]).astype(np.int64), bins - 1)
    bin_of = np.empty(len(values), dtype=np.int64)
    bin_of[order] = np.repeat(group_bin, np.diff(first, append=len(values)))
    return bin_of


def calibration_error(confidence: Array, right: Array, weight: Array, bins: int = N_BINS) -> float:
    """Return the expected calibration error over bins of equal mass; ties share a bin."""
    bin_of = equal_mass_bins(confidence, weight, bins)
    error = np.abs(np.bincount(bin_of, weight * (confidence - right), minlength=bins))
    return float(error.sum() / weight.sum())


def brier_split(
    log_p: Array, outcomes: Outcomes, weight: Array, bins: int = N_BINS
) -> dict[str, float]:
    """Split the Brier score of (N, K) log-probabilities over bins of equal mass.

    ``brier = reliability − resolution + uncertainty + within_bin_variance −
    within_bin_covariance``, exactly: the last two make good for the width of the bins. Every
    class is split against the rest, on its own probability, and the parts are summed over all
    K classes, as ``brier`` is (0 to 2). Two classes share the bins of the second: each part is
    twice that of the one-class score ``E (P(second) − o)²`` (0 to 1), the ``brier_score_loss``
    of scikit-learn.

    With soft outcomes ``q`` the observed frequency of a bin is the mean of ``q`` in it, and
    ``uncertainty`` is ``E (q − q̄)²``, summed over the classes: ``Σ q̄_k (1 − q̄_k)`` for hard
    labels, less for soft ones, as the Brier score against ``q`` itself is less than that
    against labels drawn from it, both by ``E Σ q_k (1 − q_k)``.

    Notes
    -----
    With ``p − o = (p − p̄_b) + (p̄_b − ō_b) − (o − ō_b)`` in bin b, the mean of the square has
    no other mixed term than that of the first and the last, since both have mean 0 in every
    bin; and ``E (o − ō_b)² = E (o − ō)² − E (ō_b − ō)²``.

    References
    ----------
    Stephenson, Coelho & Jolliffe, "Two extra components in the Brier score decomposition",
    Weather and Forecasting 23 (2008).
    """
    n_classes = log_p.shape[1]
    p, q = np.exp(log_p), outcomes.probabilities(n_classes)
    u = weight / weight.sum()
    parts = np.zeros(len(PARTS))
    for k in range(n_classes):
        binned = p[:, 1 if n_classes == 2 else k]
        parts += one_against_rest(p[:, k], q[:, k], u, equal_mass_bins(binned, weight, bins))
    return dict(zip(PARTS, parts.tolist(), strict=True))


def one_against_rest(p: Array, o: Array, u: Array, bin_of: NDArray[np.int64]) -> Array:
    """Return the five parts of ``u·(p − o)²``; the row weights ``u`` sum to one."""
    U = np.bincount(bin_of, u)
    full = np.where(U > 0, U, 1.0)
    p_bin, o_bin = np.bincount(bin_of, u * p) / full, np.bincount(bin_of, u * o) / full
    o_mean = u @ o
    δp, δo = p - p_bin[bin_of], o - o_bin[bin_of]
    return np.array(
        [
            U @ (p_bin - o_bin) ** 2,
            U @ (o_bin - o_mean) ** 2,
            u @ (o - o_mean) ** 2,
            u @ δp**2,
            2 * (u @ (δp * δo)),
        ]
    )
