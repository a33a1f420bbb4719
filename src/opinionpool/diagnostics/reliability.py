"""Reliability curves: how often what was predicted happened, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibration import N_BINS, equal_mass_bins

Array = NDArray[np.float64]

#: Bars of histograms, of equal width.
BARS = 20


def reliability_curve(
    p: Array, happened: Array, weight: Array, z: float, bins: int = N_BINS
) -> list[dict[str, Any]]:
    """Return one point per bin of equal mass: predicted, observed, and an interval of it.

    Parameters
    ----------
    p, happened, weight
        (N,) probabilities, what happened (0 to 1), and row weights.
    z
        Normal quantile of the intervals (Wilson's: Brown, Cai & DasGupta 2001).
    bins
        How many, at most: equal probabilities share one.
    """
    bin_of = equal_mass_bins(p, weight, bins)
    u = np.bincount(bin_of, weight, minlength=bins)
    squares = np.bincount(bin_of, weight**2, minlength=bins)
    rows = np.bincount(bin_of, minlength=bins)
    said = np.bincount(bin_of, weight * p, minlength=bins)
    seen = np.bincount(bin_of, weight * happened, minlength=bins)
    points = []
    for b in np.flatnonzero(u > 0):
        observed = float(seen[b] / u[b])
        low, high = wilson(observed, float(u[b] ** 2 / squares[b]), z)
        points.append(
            {
                "predicted": float(said[b] / u[b]),
                "observed": observed,
                "low": low,
                "high": high,
                "mass": float(u[b] / u.sum()),
                "rows": int(rows[b]),
            }
        )
    return points


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Return Wilson's interval of a share among n draws."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def histogram(values: Array, weight: Array, bars: int = BARS) -> list[float]:
    """Return the share of weight in bars of equal width over [0, 1]."""
    bar = np.minimum((values * bars).astype(np.int64), bars - 1)
    return [float(x) for x in np.bincount(bar, weight, minlength=bars) / weight.sum()]


def pit_of_classes(log_p: Array, q: Array, weight: Array, bars: int = BARS) -> list[float]:
    """Return the histogram of the probability integral transform of ordered classes.

    Without randomising: a row spreads evenly over ``[F(y−1), F(y)]`` (Czado, Gneiting & Held
    2009, Biometrics 65). Flat, 1/bars each, where the forecasts are calibrated. ``q`` (N, K)
    are the outcomes as distributions.
    """
    edges = np.linspace(0, 1, bars + 1)
    above = np.minimum(np.cumsum(np.exp(log_p), axis=1), 1.0)
    mass, u = np.zeros(bars + 1), weight / weight.sum()
    for k in range(log_p.shape[1]):
        rows = q[:, k] > 0
        low = above[rows, k - 1] if k else np.zeros(rows.sum())
        width = above[rows, k] - low
        # A class of probability 0 that happened is a jump.
        reached = (edges[:, None] - low) / np.where(width > 0, width, 1.0)
        reached = np.where(width > 0, np.clip(reached, 0, 1), edges[:, None] > low)
        reached[-1] = 1.0
        mass += reached @ (u[rows] * q[rows, k])
    return [float(x) for x in np.diff(mass)]
