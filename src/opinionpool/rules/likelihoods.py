"""Log-densities at the outcomes as all the evidence there is: what linear stacking is made of.

The linear rule's loss needs only ``ℓ_α(y_n)``, (M, N) numbers, so models may predict anything:
classes, densities, counts. With more models than rows few of them have weight, and the problem
is solved on those (a working set); the gradient of all others proves that they are not missed.
"""

from __future__ import annotations

from functools import cached_property, reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from ..solvers.evaluation import Evaluation
from .evidence import BLOCK_CELLS
from .fused import FusedLinearBlock, worthwhile
from .linear import RULE, LinearBlock

Array = NDArray[np.float64]

#: More models than this are solved a few at a time: their whole curvature is never needed.
MOST_FUSED = 200


class Likelihoods:
    """Mean loss ``−E log Σ w_α p_α(y)`` over the simplex.

    Parameters
    ----------
    log_f
        (M, N) log-densities at the outcomes; −inf where a model gave 0, finite for one at least
        in every row.
    weight
        (N,) row weights.
    """

    convex = True

    def __init__(self, log_f: Array, weight: Array) -> None:
        self.log_f, self.weight = log_f, weight
        self.n = float(weight.sum())
        self._top = log_f.max(axis=0)
        fusible = len(log_f) <= MOST_FUSED and worthwhile(log_f.size)
        self._whole = FusedLinearBlock.of(log_f, weight) if fusible else None

    @cached_property
    def _blocks(self) -> list[LinearBlock]:
        size = max(1, BLOCK_CELLS // len(self.log_f))
        n = self.log_f.shape[1]
        return [self._block(slice(first, first + size)) for first in range(0, n, size)]

    def _block(self, rows: slice) -> LinearBlock:
        log_f, top = self.log_f[:, rows], self._top[rows]
        return LinearBlock(log_f, np.exp(log_f - top), top, self.weight[rows], None, None)

    def evaluate(self, w: Array) -> Evaluation:
        """Return value, gradient, curvature, and the bound ``ln max E r``."""
        blocks = self._blocks if self._whole is None else [self._whole]
        mean = reduce(add, (RULE.evaluate(w, block) for block in blocks)).per_row(self.n)
        excess = RULE.excess(w, mean, np.zeros(1), -np.inf)
        return Evaluation(mean.value, mean.gradient, mean.curvature, excess)

    def value(self, w: Array) -> float:
        """Return the mean loss."""
        blocks = self._blocks if self._whole is None else [self._whole]
        return float(sum(RULE.value(w, block) for block in blocks) / self.n)

    def models(self, chosen: NDArray[np.int64]) -> Likelihoods:
        """Return the problem of some models; they must leave every row possible."""
        return Likelihoods(np.ascontiguousarray(self.log_f[chosen]), self.weight)

    def rows(self, chosen: NDArray[np.int64]) -> Likelihoods:
        """Return the problem on some rows."""
        return Likelihoods(np.ascontiguousarray(self.log_f[:, chosen]), self.weight[chosen])

    def pull(self, w: Array, chosen: NDArray[np.int64]) -> Array:
        """Return every model's ``E r_α`` at the pool of some, (M,): above 1 it would help."""
        total = np.zeros(len(self.log_f))
        for block in self._blocks:
            r = RULE.ratios(w, block, chosen)
            total += np.einsum("mn,n->m", r, block.weight)
        return total / self.n
