"""Models that say nearly the same: only their joint weight means anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Divergence, as a share of the middle one, below which two models are near-duplicates.
SHARE = 0.05
#: And in nats, whatever the others are.
NATS = 1e-3


def near_duplicates(divergence: Array) -> list[list[int]]:
    """Return groups of at least two models that are linked by small mean divergences J (M, M)."""
    m = len(divergence)
    if m < 2:
        return []
    between = divergence[np.triu_indices(m, 1)]
    limit = max(NATS, SHARE * float(np.median(between)))
    group = np.arange(m)
    for a, b in zip(*np.nonzero(np.triu(divergence <= limit, 1)), strict=True):
        group[group == group[b]] = group[a]
    groups = [np.flatnonzero(group == g).tolist() for g in np.unique(group)]
    return [g for g in groups if len(g) > 1]


def clustered_order(divergence: Array) -> list[int]:
    """Return an order in which models that agree are neighbours (average linkage, best leaves)."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(divergence) < 3:
        return list(range(len(divergence)))
    # Roots: divergences are squares of distances to third order; infinite ones are merely far.
    finite = divergence[np.isfinite(divergence)].max(initial=0.0)
    apart = np.sqrt(np.where(np.isfinite(divergence), divergence, 2 * finite + 1))
    np.fill_diagonal(apart, 0.0)
    flat = squareform(0.5 * (apart + apart.T), checks=False)
    return [int(i) for i in leaves_list(optimal_leaf_ordering(linkage(flat, "average"), flat))]
