"""Outcomes: what happened, as classes, as distributions over them, or as real numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """What happened; exactly one of these is given.

    Attributes
    ----------
    classes
        Class numbers (n,).
    soft
        Probabilities over the classes (n, K).
    values
        Real numbers (n,), for families of densities.
    """

    classes: NDArray[np.int64] | None = None
    soft: Array | None = None
    values: Array | None = None

    @property
    def array(self) -> NDArray[np.int64] | Array:
        """What was given, whichever it is."""
        found = next(a for a in (self.classes, self.soft, self.values) if a is not None)
        return found

    def __len__(self) -> int:
        return len(self.array)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Outcomes:
        """Return the outcomes of some rows."""
        given = {name: a[rows] for name, a in vars(self).items() if a is not None}
        return Outcomes(**given)

    def expectation(self, values: Array) -> Array:
        """Return ``Σ_k q_k values[..., n, k]`` with ``0·(−inf) = 0``: shape (..., n)."""
        if self.classes is not None:
            rows = np.arange(len(self.classes))
            chosen: Array = values[..., rows, self.classes]
            return chosen
        assert self.soft is not None
        # −inf times a positive q is −inf, and that is right: such an outcome was ruled out.
        with np.errstate(invalid="ignore"):
            terms = np.where(self.soft > 0, self.soft * values, 0.0)
        summed: Array = terms.sum(axis=-1)
        return summed

    def of(self, classes: NDArray[np.int64]) -> Array:
        """Return the probability of one class in each row, (n,)."""
        if self.soft is not None:
            return np.asarray(self.soft[np.arange(len(classes)), classes])
        return np.asarray(self.classes == classes, dtype=np.float64)

    def entropy(self) -> Array:
        """Return the entropy of each row's outcome, (n,): no loss is less.

        0 for a class, −inf for a real number, whose density has no bound.
        """
        if self.soft is None:
            return np.full(len(self), 0.0 if self.classes is not None else -np.inf)
        q = np.where(self.soft > 0, self.soft, 1.0)
        return np.asarray(-(q * np.log(q)).sum(axis=-1))

    def probabilities(self, n_classes: int) -> Array:
        """Return the outcomes as (n, K) probabilities."""
        if self.soft is not None:
            return self.soft
        assert self.classes is not None
        one_hot = np.zeros((len(self), n_classes))
        one_hot[np.arange(len(self)), self.classes] = 1.0
        return one_hot
