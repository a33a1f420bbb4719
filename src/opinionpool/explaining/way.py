"""What equal weights would cost, and the weights on the way to them."""

from __future__ import annotations

import numpy as np

from ..losses import row_losses
from ..pool import Pool
from .case import Case

TOWARDS_UNIFORM = (0.0, 0.25, 0.5, 0.75, 1.0)


class Way:
    """The pool's loss on the way from its weights to equal ones, at its temperature."""

    def __init__(self, pool: Pool) -> None:
        self.pool, m = pool, len(pool.models)
        shares = np.array(TOWARDS_UNIFORM if pool.vector is None else ())
        self._w = (1 - shares[:, None]) * pool.weights + shares[:, None] / m
        self._sums, self._total = np.zeros(len(shares)), 0.0

    def add(self, block: Case) -> None:
        """Add a block of rows."""
        s, closure = self.pool.inverse_temperature, self.pool.policy.closure
        for i, w in enumerate(self._w):
            rows = row_losses(block.rule, w, s, block.evidence, closure=closure)
            self._sums[i] += block.weight @ rows
        self._total += float(block.weight.sum())

    def found(self) -> list[dict[str, float]]:
        """Return the losses by the share of the way."""
        losses = (self._sums / self._total).tolist()
        return [
            {"share": share, "loss": loss}
            for share, loss in zip(TOWARDS_UNIFORM, losses, strict=False)
        ]
