"""Compiled kernel of the linear rule: the likelihoods of what happened, column by column.

Design
------
``f`` is (M, R), a row for each model, scaled so that each column's maximum is 1: columns lie
along the vectors and each cell is read once. Columns whose mixture is so small that digits were
lost are left out and reported; whoever calls has their logarithms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import jit
from .means import weighted_sums
from .plain import LARGEST
from .powers import logarithm
from .products import gram
from .scratch import scratch, scratch_rows
from .sweeps import pooled
from .tiles import groups_of, locate_rows, padded
from .vector import view

#: Columns of a tile: see ``tiles.TILE``.
COLUMNS = 512
#: Below it a mixture of likelihoods of at most 1 has lost digits to underflow (rules/linear.py).
FAINT = 1e-290


@jit
def sum_mixture(
    first: int,
    last: int,
    base: Any,
    step: Any,
    w: Any,
    top: Any,
    u: Any,
    order: int,
    faint: Any,
    like: Any,
    pull: Any,
    curvature: Any,
) -> float:
    """Sum ``−u log Σ w f`` over columns; add ``Σ u r`` and ``Σ u r rᵀ`` to the arrays given."""
    m, groups = len(base), groups_of(len(base))
    mixture, inverse, root = scratch(COLUMNS, w), scratch(COLUMNS, w), scratch(COLUMNS, w)
    zeros, none = scratch(COLUMNS, w), scratch(padded(m), like)
    c = scratch_rows(padded(m), COLUMNS, w)
    at, to = scratch(padded(m), base), scratch(padded(m), base)
    row_w = scratch(padded(m), w)
    for a in range(m):
        row_w[a] = w[a]
    value = 0.0
    for low in range(first, last, COLUMNS):
        n = min(COLUMNS, last - low)
        locate_rows(at, base, step, low, zeros)
        locate_rows(to, base, step, low + COLUMNS, zeros)
        pooled(mixture, at, to, row_w, groups, n, like)
        weight, height, lost = u[low : low + n], top[low : low + n], faint[low : low + n]
        for k in range(n):
            clear = FAINT <= mixture[k] < np.inf
            lost[k] = not clear
            inverse[k] = weight[k] if clear else 0.0
            mixture[k] = mixture[k] if clear else 1.0
        for k in range(n):
            # A column without weight may hold anything.
            value -= inverse[k] * (logarithm(mixture[k]) + height[k]) if inverse[k] > 0 else 0.0
        if order == 0:
            continue
        for k in range(n):
            root[k] = np.sqrt(inverse[k])
            mixture[k] = 1.0 / mixture[k]
            inverse[k] *= mixture[k]
        weighted_sums(pull, inverse, at, to, none, groups, 0, n, like)
        if order == 2:
            for a in range(m):
                f, out = view(at[a], like, n), c[a]
                for k in range(n):
                    ratio = f[k] * mixture[k]
                    out[k] = (ratio if ratio < LARGEST else LARGEST) * root[k]
            gram(curvature, c, n)
    return value
